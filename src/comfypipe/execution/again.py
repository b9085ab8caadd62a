"""Running a recorded run again: what it was given, from what the ledger kept."""

from collections.abc import Mapping
from typing import Any

from comfypipe._types import JSON
from comfypipe.errors import ArtifactMissing, UsageError
from comfypipe.execution.project import Project
from comfypipe.manifest.schema import MEDIA_TYPES, InputSpec, ListInput
from comfypipe.manifest.values import FileValue
from comfypipe.store.files import hash_file
from comfypipe.store.records import RunRecord


def inputs_of(project: Project, record: RunRecord) -> dict[str, Any]:
    """
    Return the inputs of a run as `Project.run` takes them. Blocks: files are hashed.

    Seeds that were drawn are left out for a run that did not complete, so that the same request is made again, which
    continues that run with its seeds; else they are given. Inputs that the manifest no longer declares are left out.

    Raises:
        UsageError: A file is gone, or was changed since.
    """
    specs: Mapping[str, InputSpec] = project.library.manifest(record.name).spec.inputs
    drawn = {} if record.status == "completed" else record.seeds.get("inputs", {})
    return {
        name: _given(project, record, name, specs[name], value)
        for name, value in record.inputs.items()
        if name in specs and name not in drawn and value is not None
    }


def _given(project: Project, record: RunRecord, name: str, spec: InputSpec, value: JSON) -> Any:
    if isinstance(spec, ListInput) and isinstance(value, list):
        return [_given(project, record, name, spec.items, each) for each in value]
    if spec.type in MEDIA_TYPES and isinstance(value, dict):
        return _file(project, record, name, value, spec.type)
    return value


def _file(project: Project, record: RunRecord, name: str, kept: Mapping[str, Any], media: str) -> FileValue:
    if kept.get("path") is None and kept.get("url"):
        return FileValue(kept["filename"], media, None, kept["url"])
    try:
        path = project.layout.root / kept["path"] if kept.get("path") else project.artifacts.path(kept["sha256"])
        same = hash_file(path)[0] == kept["sha256"]
    except (OSError, ArtifactMissing) as error:
        raise UsageError(f"the file {kept['filename']} that run {record.id} was given as {name} is gone") from error
    if not same:
        hint = "run it by its name, with the inputs that you want now"
        raise UsageError(f"{path} is not what run {record.id} was given as {name}: it was changed since", hint=hint)
    return FileValue(kept["filename"], media, path, None, kept["sha256"])
