"""What a run gave, as its row keeps it."""

from collections.abc import Sequence

from comfypipe._types import JSON, JSONObject
from comfypipe.backends.base import OutputFile, RunResult
from comfypipe.execution.records import Run, files_in
from comfypipe.jsontext import to_text
from comfypipe.store.records import OutputRecord

_SHOWN_CHARACTERS = 256 * 1024
"""How much of what nodes show is kept; more is left out whole."""


def files_of_job(records: Sequence[OutputRecord], made: RunResult | None, prompt_id: str) -> list[JSON]:
    """
    Return the files that a job saved.

    Args:
        made: How its attempt ended, where that is known: it says where files were saved.
    """
    saved: dict[str, list[OutputFile]] = {}
    for file in made.files if made is not None else ():
        if file.kind == "output":
            saved.setdefault(file.node_id, []).append(file)
    return [_of_record(each, saved.get(each.node_id, ()), prompt_id) for each in records if each.sha256 is not None]


def files_of_run(run: Run) -> list[JSON]:
    """Return the files that a published workflow or pipeline gave."""
    return [
        {
            "name": name,
            "filename": file.filename,
            "sha256": file.sha256,
            "media_type": file.media_type,
            "size_bytes": file.size_bytes,
        }
        for name, value in run.outputs.items()
        for file in files_in(value)
    ]


def shown_by(made: RunResult) -> JSONObject | None:
    """Return by node id what output nodes showed; None when that is too much to keep."""
    shown = dict(made.values)
    return shown if len(to_text(shown)) <= _SHOWN_CHARACTERS else None


def _of_record(record: OutputRecord, saved: Sequence[OutputFile], prompt_id: str) -> JSONObject:
    kept: JSONObject = {
        "name": record.name,
        "node_id": record.node_id,
        "filename": record.filename,
        "sha256": record.sha256,
        "media_type": record.media_type,
        "size_bytes": record.size_bytes,
    }
    if record.position < len(saved):
        file = saved[record.position]
        kept |= {"key": file.key, "subfolder": _own_subfolder(file.subfolder, prompt_id)}
    return kept


def _own_subfolder(subfolder: str, prompt_id: str) -> str:
    """Return the subfolder that the prompt asked for, without the one that execution puts before it."""
    return subfolder.replace("\\", "/").removeprefix(f"comfypipe/{prompt_id}").strip("/")
