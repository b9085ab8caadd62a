"""Values of inputs and outputs, as JSON and back, and as what people are given."""

from collections.abc import Mapping, Sequence

from comfypipe._types import JSON, JSONObject
from comfypipe.execution.media import media_of, media_type
from comfypipe.execution.records import Output, OutputValue
from comfypipe.manifest.values import FileValue, RemoteFile, Value
from comfypipe.project import ProjectLayout
from comfypipe.store.artifacts import ArtifactStore
from comfypipe.store.records import OutputRecord


def value_to_json(value: Value, layout: ProjectLayout) -> JSON:
    """Return a value for the record: a file by its digest, and where it came from unless that is ours."""
    if isinstance(value, FileValue):
        stored = value.path is None or value.url is not None or value.path.is_relative_to(layout.artifacts)
        shown = None if stored or value.path is None else layout.show(value.path)
        return {"filename": value.filename, "sha256": value.sha256, "path": shown, "url": value.url}
    if isinstance(value, list):
        return [value_to_json(each, layout) for each in value]
    if isinstance(value, dict):
        return {name: value_to_json(each, layout) for name, each in value.items()}
    return value


def identity_of(value: Value) -> JSON:
    """Return what tells a value from others, wherever its files lie."""
    if isinstance(value, FileValue):
        return {"file": value.identity, "name": value.filename}
    if isinstance(value, list):
        return [identity_of(each) for each in value]
    if isinstance(value, dict):
        return {name: identity_of(each) for name, each in value.items()}
    return value


def values_of(records: Sequence[OutputRecord], artifacts: ArtifactStore) -> Mapping[str, Value]:
    """
    Return what a job gave by name, as the next step is given it: one file, a list of them, or a plain value.

    Raises:
        ArtifactMissing: A stored file is gone.
    """
    found: dict[str, list[Value]] = {}
    for record in records:
        found.setdefault(record.name, []).append(_value_of(record, artifacts))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _value_of(record: OutputRecord, artifacts: ArtifactStore) -> Value:
    if record.sha256 is None and record.url is None:
        value: Value = record.value
        return value
    return FileValue(
        filename=record.filename or record.name,
        media=media_of(record.media_type or ""),
        path=artifacts.path(record.sha256) if record.sha256 is not None else None,
        url=record.url,
        sha256=record.sha256,
        remote=None if record.value is None else RemoteFile(**record.value),
    )


def output_of(value: Value, artifacts: ArtifactStore) -> OutputValue:
    """
    Return an output as people are given it. Blocks: files are looked into.

    A file that is only passed through is stored too: outputs do not change when the project's files do.
    """
    if isinstance(value, list):
        return tuple(output_of(each, artifacts) for each in value)
    if not isinstance(value, FileValue):
        return value
    if value.path is None:
        return value.url
    stored = is_stored(value, artifacts)
    sha256 = str(value.sha256) if stored else artifacts.put(value.path).sha256
    path = value.path if stored else artifacts.place(sha256)
    try:
        return Output(path, value.filename, sha256, path.stat().st_size, media_type(path, value.filename))
    except FileNotFoundError:
        artifacts.path(sha256)  # says that it is gone, and what to do
        raise


def is_stored(value: Value, artifacts: ArtifactStore) -> bool:
    """Whether a value is plain, or one file that is in the store: then `output_of` only has a look at it."""
    if isinstance(value, list):
        return False
    if not isinstance(value, FileValue) or value.path is None:
        return True
    return value.sha256 is not None and value.path == artifacts.place(value.sha256)


def output_to_record(value: OutputValue) -> JSONObject:
    """Return an output as the ledger keeps it: files by digest, told apart from plain values that look alike."""
    if isinstance(value, Output):
        kept = value.to_json()
        del kept["path"]
        return {"file": kept}
    if isinstance(value, tuple):
        return {"list": [output_to_record(each) for each in value]}
    return {"value": value}


def output_from_record(record: JSONObject, artifacts: ArtifactStore) -> OutputValue:
    """Return an output that the ledger kept; its file may be gone by now."""
    if "file" in record:
        return Output(path=artifacts.place(record["file"]["sha256"]), **record["file"])
    if "list" in record:
        return tuple(output_from_record(each, artifacts) for each in record["list"])
    value: JSON = record["value"]
    return value
