"""What a file holds: a UI graph, a prompt in API format, or both inside a picture, a video or a sound."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import ImportFailed
from comfypipe.importing.embedded import embedded_texts
from comfypipe.importing.ui_graph import is_ui_graph

MAX_JSON_BYTES = 64 * 1024 * 1024

_DEEPEST = 100
_WRAPPERS = ("prompt", "output", "workflow", "extra_data", "extra_pnginfo")
_LOST_HINT = (
    "programs that re-encode files, and most web sites, take it out: ask for the original, or for the workflow's JSON"
)


@dataclass(frozen=True, slots=True)
class Found:
    """
    What was found in a file; at least one of *prompt* and *graph* is there.

    Attributes:
        container: ``JSON``, ``PNG``, ``WEBP``, ``JPEG``, ``MP4``, ``WEBM``, ``FLAC``, ``Ogg`` or ``MP3``.
        prompt: In API format: what was, or would be, sent.
        graph: The editor's own save, as JSON.
        text: The file's text where the whole file is the prompt, so that it can be kept untouched.
    """

    container: str
    prompt: JSONObject | None = None
    graph: JSONObject | None = None
    text: str | None = None


def read_workflow(path: Path) -> Found:
    """
    Read the workflow in the file *path*.

    Raises:
        ImportFailed: The file cannot be read, is damaged, too large, or holds no workflow; and why.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited on for ever
            raise ImportFailed(f"{path} is no file")
        with path.open("rb") as file:
            return read_stream(file, str(path))
    except OSError as error:
        raise ImportFailed(f"{path} cannot be read: {error.strerror or error}") from error


def read_bytes(data: bytes, shown: str) -> Found:
    """Read the workflow in *data*; otherwise like `read_workflow`."""
    return read_stream(BytesIO(data), shown)


def read_stream(file: BinaryIO, shown: str) -> Found:
    """Read the workflow in an open, seekable file; otherwise like `read_workflow`."""
    embedded = embedded_texts(file)
    if embedded is None:
        return _read_json(file, shown)
    container, texts, whole = embedded
    prompt, graph = _pick(texts)
    if prompt is None and graph is None:
        if whole:
            raise ImportFailed(f"{shown} is a {container} file without a workflow in it", hint=_LOST_HINT)
        raise ImportFailed(f"{shown} is a {container} file that breaks off or is damaged, with no workflow before that")
    return Found(container, prompt, graph)


def _read_json(file: BinaryIO, shown: str) -> Found:
    data = file.read(MAX_JSON_BYTES + 1)
    if len(data) > MAX_JSON_BYTES:
        raise ImportFailed(f"{shown} is larger than {MAX_JSON_BYTES // 2**20} MiB, which no workflow is")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ImportFailed(
            f"{shown} is neither text nor a picture, video or sound that can carry a workflow",
            hint="JSON, PNG, WEBP, JPEG, MP4, MOV, WEBM, MKV, FLAC, Opus and MP3 are read",
        ) from error
    document = _parse(text, shown)
    prompt, graph = _unwrap(document)
    if prompt is None and graph is None:
        raise ImportFailed(f"{shown} is JSON, but no workflow: {_describe(document)}", hint=_hint(document))
    return Found("JSON", prompt, graph, text if prompt is document else None)


def _parse(text: str, shown: str) -> JSON:
    if not text.strip():
        raise ImportFailed(f"{shown} is empty")
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        raise ImportFailed(
            f"{shown} is no JSON: {error.msg} in line {error.lineno}, column {error.colno}",
            hint="it may have been cut off: save or export it again",
        ) from error
    except (RecursionError, ValueError) as error:
        what = "it is nested too deeply" if isinstance(error, RecursionError) else "a number has too many digits"
        raise ImportFailed(f"{shown} cannot be read: {what}") from error


def parse_json(text: str) -> JSON:
    """
    Return what *text* holds; ``NaN`` and infinities, which ComfyUI's server writes, are null, as in the editor.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested deeper than 100 levels.
    """
    document = json.loads(text, parse_constant=lambda _: None)
    level = [document]
    for _ in range(_DEEPEST):
        level = [inner for each in level for inner in _held(each) if isinstance(inner, dict | list)]
        if not level:
            return document
    raise RecursionError


def _held(value: JSON) -> Iterable[JSON]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _pick(texts: Iterable[tuple[str, str]]) -> tuple[JSONObject | None, JSONObject | None]:
    """Return the first prompt and the first graph among embedded texts, looked at whatever their keys are."""
    prompt: JSONObject | None = None
    graph: JSONObject | None = None
    for _, text in sorted(texts, key=lambda each: each[0].lower() not in _WRAPPERS):
        if not text.lstrip().startswith("{"):
            continue
        try:
            document = parse_json(text)
        except (ValueError, RecursionError):  # some other program's text, or a damaged one
            continue
        found_prompt, found_graph = _unwrap(document)
        prompt, graph = prompt or found_prompt, graph or found_graph
    return prompt, graph


def _unwrap(document: JSON, depth: int = 0) -> tuple[JSONObject | None, JSONObject | None]:
    """
    Return the prompt and the graph that *document* is, or that it wraps.

    Wrapped they come in the body of a submission (``prompt``, ``extra_data.extra_pnginfo.workflow``), in the editor's
    own result (``output``, ``workflow``), and, as text, in the comments of some video writers.
    """
    if isinstance(document, str) and document.lstrip().startswith("{"):
        try:
            document = parse_json(document)
        except (ValueError, RecursionError):
            return None, None
    if is_ui_graph(document):
        return None, document
    if is_prompt(document):
        return document, None
    prompt = graph = None
    if isinstance(document, dict) and depth < 4:
        for name in _WRAPPERS:
            if name in document:
                inner_prompt, inner_graph = _unwrap(document[name], depth + 1)
                prompt, graph = prompt or inner_prompt, graph or inner_graph
    return prompt, graph


def is_prompt(document: JSON) -> bool:
    """Tell whether *document* has the shape of a prompt in API format."""
    return (
        isinstance(document, dict)
        and bool(document)
        and all(isinstance(each, dict) and isinstance(each.get("class_type"), str) for each in document.values())
    )


def _describe(document: JSON) -> str:
    if isinstance(document, list):
        return "it is a list"
    if not isinstance(document, dict):
        return "it is a single value"
    if not document:
        return "it is empty"
    names = ", ".join(f'"{name[:40]}"' for name in list(document)[:5])
    return f"it has neither nodes nor a class_type in every entry, but {names}"


def _hint(document: JSON) -> str:
    if isinstance(document, dict) and any(
        isinstance(each, dict) and "class_type" in each for each in document.values()
    ):
        without = [name for name, each in document.items() if not (isinstance(each, dict) and "class_type" in each)]
        return f"it would be a prompt without {', '.join(without[:5])}"
    return "in the editor, Save gives a UI graph and Export (API) a prompt: either will do"
