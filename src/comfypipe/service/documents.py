"""The parts of the OpenAPI document that many routes share."""

from typing import Any

from comfypipe._types import JSONObject
from comfypipe.service.schemas import ErrorBody
from comfypipe.service.settings import ACCELERATORS

_MEANINGS = {
    400: "The request cannot be understood; nothing was stored.",
    401: "No key, or one that is not valid.",
    403: "The key lacks the scope.",
    404: "There is no such thing, or it is another tenant's.",
    409: "What it is about is not in the state for it.",
    411: "The body does not tell its length.",
    413: "The body is too large.",
    415: "The body is of another type.",
    416: "There is no such range.",
    422: "The values do not fit; `diagnostics` tells all of them.",
    429: "Too many requests: `Retry-After` says when to come back.",
    503: "The service cannot answer now: `Retry-After` says when to come back.",
}
ALWAYS = (401, 403, 413, 422, 429, 503)
"""What any route with a key may answer."""

Responses = dict[int | str, dict[str, Any]]


def errors(*statuses: int) -> Responses:
    """Return the documentation of errors that a route may answer."""
    return {each: {"model": ErrorBody, "description": _MEANINGS[each]} for each in (*statuses, *ALWAYS)}


def json_body(schema: JSONObject, example: JSONObject | None = None) -> JSONObject:
    """Return the documentation of a route's body, for routes that read it themselves."""
    content: JSONObject = {"schema": schema}
    if example is not None:
        content["example"] = example
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


_TEXT = "^[^\\u0000]*$"  # PostgreSQL keeps no NUL character
_URL = {
    "type": "string",
    "maxLength": 4096,
    "pattern": "^https?://([a-z0-9]{1,20}\\.){1,3}[a-z]{2,8}(:[1-9][0-9]{0,3})?/[A-Za-z0-9/._~?=&%+-]*$",
    "description": "Of a public address; the host's name is looked up later.",
}

_NODE: JSONObject = {
    "type": "object",
    "required": ["class_type", "inputs"],
    "properties": {
        "class_type": {"type": "string"},
        "inputs": {"type": "object"},
    },
}

RUN_REQUEST: JSONObject = {
    "type": "object",
    "description": "A prompt to run, or (instead of `prompt`) the inputs of a published workflow.",
    "properties": {
        "workflow_id": {"type": ["string", "null"], "description": "Redundant: the path counts."},
        "prompt": {
            "type": "object",
            "minProperties": 1,
            "description": "ComfyUI's API format.",
            "additionalProperties": _NODE,
        },
        "inputs": {"type": "object", "description": "Of a published workflow, in place of `prompt`."},
        "preset": {"type": ["string", "null"], "description": "Of a published workflow's presets."},
        "files": {
            "type": ["object", "null"],
            "description": "By ComfyUI path, such as `/input/photo.png`, the URL of the file.",
            "propertyNames": {
                "pattern": "^/?(input|models/[a-z_]{1,32})/[A-Za-z0-9][A-Za-z0-9_-]{0,64}\\.[a-z0-9]{1,8}$"
            },
            "additionalProperties": _URL,
            "maxProperties": 64,
        },
        "webhook": {"anyOf": [_URL, {"type": "null"}], "description": "POSTed the run object at its start and end."},
        "accelerator": {"enum": [*ACCELERATORS, None]},
        "name": {"type": ["string", "null"], "maxLength": 256, "pattern": _TEXT},
        "tags": {
            "type": ["array", "null"],
            "items": {"type": "string", "minLength": 1, "maxLength": 64},
            "maxItems": 32,
        },
        "metadata": {"type": ["object", "null"], "description": "At most 16 KiB."},
        "extra_data": {"type": ["object", "null"]},
        "validate": {"type": ["boolean", "null"], "description": "Refuse with 422 what the backend cannot run."},
        "extended": {"type": ["boolean", "null"], "description": "Always show the run as `extended=1` does."},
    },
    "oneOf": [
        {"required": ["prompt"], "properties": {"inputs": False, "preset": {"type": "null"}}},
        {"required": ["inputs"], "properties": {"prompt": False, "files": {"maxProperties": 0}}},
    ],
}

RUN_EXAMPLE: JSONObject = {
    "prompt": {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 3368601}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "blue"}},
    },
    "accelerator": "L4",
}

WORKFLOW_REQUEST: JSONObject = {
    "type": "object",
    "properties": {
        "name": {"type": ["string", "null"], "maxLength": 256, "pattern": _TEXT},
        "description": {"type": ["string", "null"], "maxLength": 4096, "pattern": _TEXT},
        "tags": {
            "type": ["array", "null"],
            "items": {"type": "string", "minLength": 1, "maxLength": 64},
            "maxItems": 32,
        },
        "accelerator": {"enum": [*ACCELERATORS, None], "description": "Of its runs that ask for none."},
    },
}
