"""Names made of content: the same on every machine, whatever files are called there and in which order keys stand."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from comfypipe._types import JSON, JSONObject
from comfypipe.manifest.schema import ModelSpec
from comfypipe.manifest.values import FileValue, Value
from comfypipe.plan.steps import PlacedFile


def digest_of(content: JSON) -> str:
    """Return the SHA-256 of canonical JSON: sorted keys, no spaces, ASCII; as hex."""
    return hashlib.sha256(_CANONICAL.encode(content).encode("ascii")).hexdigest()


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def content_of(value: Value | Any) -> JSON:
    """Return a value as JSON, a file as what its bytes are."""
    match value:
        case FileValue():
            return {"file": value.identity, "name": value.placement}
        case Mapping():
            return {str(key): content_of(each) for key, each in value.items()}
        case list() | tuple():
            return [content_of(each) for each in value]
    return value


def job_digest(
    prompt: JSONObject,
    files: Sequence[PlacedFile],
    models: Sequence[ModelSpec],
    outputs: Mapping[str, tuple[str, str]],
) -> str:
    """Return what names a job: all that its results depend on and that we know of."""
    return digest_of(
        {
            "prompt": prompt,
            "files": {each.name: each.file.identity for each in files},
            "models": {each.path: each.sha256.lower() if each.sha256 else None for each in models},
            "outputs": {name: list(each) for name, each in outputs.items()},
        }
    )


def template_digest(template: Path) -> str:
    """Return the SHA-256 of a template as it is written, as hex; line endings do not count."""
    return hashlib.sha256(template.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
