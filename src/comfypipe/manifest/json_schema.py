"""The JSON Schema of both kinds of manifest, for editors: made from the same declarations as the reader."""

from typing import Any

import msgspec

from comfypipe._types import JSONObject
from comfypipe.manifest.schema import ManifestSpec

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> JSONObject:
    """Return one JSON Schema document that both kinds of manifest satisfy."""
    schema = msgspec.json.schema(ManifestSpec)
    definitions = {name: _open_to_editors(each) for name, each in schema.pop("$defs").items()}
    return {
        "$schema": DRAFT,
        "title": "comfypipe manifest",
        "description": "Declares a workflow or a pipeline for comfypipe.",
        **_open_to_editors(schema),
        "$defs": definitions,
    }


def _open_to_editors(schema: Any) -> Any:
    """Leave out ``discriminator``: it is OpenAPI's, and strict readers of JSON Schema refuse it."""
    if isinstance(schema, list | tuple):
        return [_open_to_editors(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _open_to_editors(value) for key, value in schema.items() if key != "discriminator"}
