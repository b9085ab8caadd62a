"""What a workflow is, as far as files say: when it changes, results of before are another workflow's."""

import hashlib

from comfypipe.manifest.schema import PipelineSpec
from comfypipe.plan.digests import template_digest
from comfypipe.plan.library import Library
from comfypipe.plan.rendering import workflow_spec
from comfypipe.project import ProjectLayout


def workflow_digest(library: Library, layout: ProjectLayout, name: str) -> str:
    """
    Return the digest of a workflow's manifest and template, of a pipeline's and all of its steps': SHA-256, as hex.

    What templates include does not count.
    """
    manifest = library.manifest(name)
    spec = manifest.spec
    workflows = sorted({step.workflow for step in spec.steps}) if isinstance(spec, PipelineSpec) else [name]
    whole = hashlib.sha256(manifest.path.read_bytes())
    for each in workflows:
        used = library.manifest(each)
        whole.update(used.path.read_bytes())
        whole.update(template_digest(layout.root / workflow_spec(used).workflow).encode())
    return whole.hexdigest()
