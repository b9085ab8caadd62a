"""
The header of a safetensors file, checked before anything loads the file.

Source: the format's own description: eight bytes with the length of the header (little endian), the header as JSON,
then the tensors without a gap between them; the header has at most 100 MB.
"""

import json
import math
from pathlib import Path
from typing import Any

from comfypipe._types import JSONObject
from comfypipe.errors import DownloadRefused

_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 100_000_000
_BITS = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}


def check_safetensors(path: Path) -> None:
    """
    Check that *path* holds what the header of a safetensors file says: no more, no less.

    Raises:
        DownloadRefused: It does not.
    """
    if problem := _problem(path):
        raise DownloadRefused(
            f"the file is no safetensors file: {problem}",
            hint="the download may have given something else, such as a page to log in at, or a damaged file",
        )


def _problem(path: Path) -> str | None:
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if size_bytes < _LENGTH_BYTES + 2:
            return f"it has {size_bytes} bytes"
        if not 2 <= length <= min(_MAX_HEADER_BYTES, size_bytes - _LENGTH_BYTES):
            return "the length of its header does not fit"
        raw = file.read(length)
    try:
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        return f"its header cannot be read ({str(error)[:80] or type(error).__name__})"
    if not isinstance(header, dict) or not raw.startswith(b"{"):
        return "its header is no JSON object"
    return _tensors_problem(header, size_bytes - _LENGTH_BYTES - length)


def _once(pairs: list[tuple[str, Any]]) -> JSONObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _tensors_problem(header: JSONObject, data_bytes: int) -> str | None:
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        return "its metadata are no texts"
    spans: list[tuple[int, int]] = []
    for name, tensor in header.items():
        span = _span(tensor)
        if span is None:
            return f"its tensor {name[:60]!r} does not add up"
        spans.append(span)
    reached = 0
    for begin, end in sorted(spans):
        if begin != reached:
            return "its tensors overlap, or leave a gap"
        reached = end
    return None if reached == data_bytes else f"its tensors have {reached} bytes, and it holds {data_bytes}"


def _span(tensor: Any) -> tuple[int, int] | None:
    """Return where the bytes of a tensor begin and end, when that agrees with its shape; else None."""
    if not isinstance(tensor, dict):
        return None
    dtype, shape, offsets = tensor.get("dtype"), tensor.get("shape"), tensor.get("data_offsets")
    sizes, place = _counts(shape), _counts(offsets)
    if not isinstance(dtype, str) or sizes is None or place is None or len(place) != 2:
        return None
    begin, end = place
    bits = _BITS.get(dtype)  # of a type that is newer than this table only the place is checked
    fits = bits is None or (end - begin) * 8 == math.prod(sizes) * bits
    return (begin, end) if begin <= end and fits else None


def _counts(value: Any) -> list[int] | None:
    fits = isinstance(value, list) and all(type(each) is int and 0 <= each < 1 << 63 for each in value)
    return value if fits else None
