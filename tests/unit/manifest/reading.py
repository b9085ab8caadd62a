"""Reading manifests from text in tests."""

from pathlib import Path
from textwrap import dedent

import pytest

from comfypipe.errors import ManifestInvalid
from comfypipe.manifest.load import Manifest, parse_manifest
from comfypipe.manifest.schema import PipelineSpec, WorkflowSpec

HEAD = "apiVersion: comfypipe/v1\nkind: Workflow\nworkflow: workflows/a.json.j2\n"
"""Three lines that make a manifest: what a test appends begins in line 4."""

EXPORT = HEAD.replace(".j2", "")
PIPELINE = "apiVersion: comfypipe/v1\nkind: Pipeline\n"
"""Two lines; a pipeline needs steps besides."""


def read(text: str, name: str = "a.yaml") -> Manifest:
    """Return the manifest that *text* is."""
    return parse_manifest(dedent(text), Path("manifests", name), f"manifests/{name}")


def workflow(text: str) -> WorkflowSpec:
    """Return the spec of a workflow, given what comes after its head."""
    spec = read(HEAD + dedent(text)).spec
    assert isinstance(spec, WorkflowSpec)
    return spec


def pipeline(text: str) -> PipelineSpec:
    """Return the spec of a pipeline, given what comes after its head."""
    spec = read(PIPELINE + dedent(text)).spec
    assert isinstance(spec, PipelineSpec)
    return spec


def findings(text: str) -> list[str]:
    """Return all that is wrong with *text*, without the file's name: ``4:3 code: message`` and its hint."""
    with pytest.raises(ManifestInvalid) as caught:
        read(text)
    return [str(each).replace("manifests/a.yaml:", "") for each in caught.value.diagnostics]
