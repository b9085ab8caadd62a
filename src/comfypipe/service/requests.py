"""What a client sends to have something run: read, checked, and refused in words that help."""

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson
from msgspec import Struct, field

from comfypipe._types import JSON, JSONObject
from comfypipe.downloads.destinations import destination
from comfypipe.errors import DownloadRefused, PromptInvalid
from comfypipe.manifest.destinations import url_problem
from comfypipe.prompt.graph import PromptGraph
from comfypipe.service.errors import Problem
from comfypipe.service.settings import ServiceSettings

MAX_DEPTH = 64
"""How deep JSON may nest: real prompts stay below 10."""

WORKFLOW_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}")
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_MAX_URL = 4096
_MAX_NAME = 256
_MAX_DESCRIPTION = 4096
_MAX_TAGS = 32
_MAX_TAG = 64
_MAX_METADATA_BYTES = 16 * 1024


class RunRequest(Struct, frozen=True):
    """
    What is to be run: a prompt, or a published workflow with inputs.

    Attributes:
        files: Where each file goes, relative to ComfyUI's folder, and the URL that it comes from.
        validate: Refuse at once what the backend would refuse.
        extended: Always tell of the run what ComfyICU does not.
    """

    prompt: JSONObject | None = None
    inputs: JSONObject | None = None
    preset: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    webhook: str | None = None
    accelerator: str | None = None
    name: str | None = None
    tags: list[str] = field(default_factory=list)
    metadata: JSONObject | None = None
    extra_data: JSONObject | None = None
    validate: bool = False
    extended: bool = False


def read_body(body: bytes) -> JSONObject:
    """
    Return a body as the JSON object that it has to be.

    Raises:
        Problem: It is none, or nests too deep.
    """
    problem = None
    try:
        read = _parsed(body)
    except (ValueError, RecursionError) as error:
        problem = f"the body is not JSON: {error}"
    if problem is not None:  # not raised inside: the error holds the whole body, and would be kept with this one
        raise Problem(400, "invalid-json", problem)
    if not isinstance(read, dict):
        raise Problem(400, "invalid-request", "the body has to be a JSON object")
    if _is_too_deep(read):
        raise Problem(400, "invalid-json", f"the body nests deeper than {MAX_DEPTH} levels")
    return read


def _parsed(body: bytes) -> JSON:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        if b"\\ud" not in body.lower():
            raise
        # Half of a surrogate pair: ComfyUI takes it, and Python's own reader does.
        return json.loads(body, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def read_request(body: JSONObject, settings: ServiceSettings) -> RunRequest:
    """
    Return what is to be run.

    Raises:
        Problem: Something in it cannot be; nothing was stored.
    """
    given = {name: value for name, value in body.items() if value is not None}
    if ("prompt" in body) == ("inputs" in body):
        raise _invalid("give a prompt, or the inputs of a published workflow: one of the two")
    if "inputs" in body and given.get("files"):
        raise _invalid("files go with a prompt: a published workflow takes the URLs of its files as inputs")
    if "prompt" in body and "preset" in given:
        raise _invalid("a preset goes with the inputs of a published workflow, not with a prompt")
    _read(given, "workflow_id", str)
    return RunRequest(
        prompt=_prompt(body["prompt"]) if "prompt" in body else None,
        inputs=_inputs(body["inputs"]) if "inputs" in body else None,
        preset=_read(given, "preset", str),
        files=_files(given.get("files", {}), settings),
        webhook=_url(given["webhook"], "webhook") if "webhook" in given else None,
        accelerator=_accelerator(given.get("accelerator"), settings),
        name=_text(_read(given, "name", str), "name", _MAX_NAME),
        tags=read_tags(given.get("tags", [])),
        metadata=_metadata(_read(given, "metadata", dict)),
        extra_data=_read(given, "extra_data", dict),
        validate=bool(_read(given, "validate", bool)),
        extended=bool(_read(given, "extended", bool)),
    )


def read_workflow(body: JSONObject, settings: ServiceSettings) -> JSONObject:
    """
    Return what is said of a workflow: ``name``, ``description``, ``tags``, ``accelerator``, as far as given.

    Raises:
        Problem: Something of it cannot be.
    """
    given = {name: value for name, value in body.items() if value is not None}
    read = {
        "name": _text(_read(given, "name", str), "name", _MAX_NAME) or None,
        "description": _text(_read(given, "description", str), "description", _MAX_DESCRIPTION),
        "tags": read_tags(given["tags"]) if "tags" in given else None,
        "accelerator": _accelerator(given.get("accelerator"), settings),
    }
    return {name: value for name, value in read.items() if value is not None}


def read_tags(given: JSON) -> list[str]:
    """
    Return the tags that were given.

    Raises:
        Problem: They are no list of short texts.
    """
    if not isinstance(given, list) or len(given) > _MAX_TAGS:
        raise _invalid(f"tags takes a list of at most {_MAX_TAGS}")
    if any(not isinstance(each, str) or not 0 < len(each) <= _MAX_TAG for each in given):
        raise _invalid(f"a tag is text of 1 to {_MAX_TAG} characters")
    return given


def _read(given: JSONObject, name: str, kind: type) -> Any:
    value = given.get(name)
    if value is not None and not isinstance(value, kind):
        raise _invalid(f"{name} takes {_WORDS[kind]}")
    return value


_WORDS = {str: "text", dict: "an object", bool: "true or false"}


def _prompt(given: JSON) -> JSONObject:
    try:
        graph = PromptGraph.parse(given)
    except PromptInvalid as error:
        raise Problem(400, "invalid-prompt", error.message, details=error.error) from None
    if not graph.nodes:
        raise Problem(400, "invalid-prompt", "the prompt has no nodes")
    without = next((node.id for node in graph.nodes.values() if not node.has_inputs), None)
    if without is not None:
        raise Problem(400, "invalid-prompt", f"node {without} of the prompt has no inputs object")
    prompt: JSONObject = given
    return prompt


def _inputs(given: JSON) -> JSONObject:
    if not isinstance(given, dict):
        raise _invalid("inputs takes an object")
    return given


def _files(given: JSON, settings: ServiceSettings) -> dict[str, str]:
    if not isinstance(given, dict):
        raise _invalid("files takes an object: ComfyUI's path of each file, and its URL")
    if len(given) > settings.files_per_run:
        raise _invalid(f"files names {len(given)} files: at most {settings.files_per_run} can come with a run")
    found: dict[str, str] = {}
    for path, url in given.items():
        try:
            place = destination(path).name
        except DownloadRefused as error:
            raise Problem(400, "invalid-file", f"files: {error.message}", path=path) from None
        if place in found:
            raise Problem(400, "invalid-file", f"files: {path!r} is named twice", path=path)
        found[place] = _url(url, f"files: {path!r}", kind="invalid-file")
    return found


def _url(given: JSON, what: str, *, kind: str = "invalid-request") -> str:
    if not isinstance(given, str) or len(given) > _MAX_URL:
        raise Problem(400, kind, f"{what} takes a URL of at most {_MAX_URL} characters")
    if problem := url_problem(given):
        raise Problem(400, kind, f"{what} takes a URL: {problem}")
    return given


def _accelerator(given: JSON, settings: ServiceSettings) -> str | None:
    if given is None or (isinstance(given, str) and given in settings.accelerators):
        return given
    offered = ", ".join(settings.accelerators)
    raise Problem(400, "unknown-accelerator", f"there is no accelerator {given!r}: there are {offered}"[:500])


def _text(given: str | None, what: str, longest: int) -> str | None:
    if given is not None and len(given) > longest:
        raise _invalid(f"{what} takes at most {longest} characters")
    if given is not None and _NO_TEXT.search(given):
        raise _invalid(f"{what} has a NUL character, or half of a surrogate pair: not every database keeps those")
    return given


def _metadata(given: JSONObject | None) -> JSONObject | None:
    if given is not None and len(json.dumps(given)) > _MAX_METADATA_BYTES:
        raise _invalid(f"metadata takes at most {_MAX_METADATA_BYTES} bytes")
    return given


def _invalid(message: str) -> Problem:
    return Problem(400, "invalid-request", message)


def _is_too_deep(value: JSON) -> bool:
    level: list[JSON] = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return False
    return True


def _inside(value: JSON) -> Iterator[JSON]:
    inner = value.values() if isinstance(value, dict) else value
    return (each for each in inner if isinstance(each, dict | list))
