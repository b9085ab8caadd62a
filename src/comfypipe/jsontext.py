"""JSON as text."""

import json

import msgspec

from comfypipe._types import JSON

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder()


def to_text(value: JSON) -> str:
    """Return *value* as JSON text; integers of any size, and halves of surrogate pairs, come back as they were."""
    try:
        return _ENCODER.encode(value).decode()
    except UnicodeEncodeError:  # half of a surrogate pair: the standard library writes it as an escape
        return json.dumps(value)


def from_text(text: str | bytes) -> JSON:
    """
    Return the value that *text* stands for: strict JSON, or what Python writes, with ``NaN`` and ``Infinity``.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deeply.
    """
    try:
        value: JSON = _DECODER.decode(text)
    except ValueError:
        value = json.loads(text)
    return value
