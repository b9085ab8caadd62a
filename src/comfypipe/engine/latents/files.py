"""Latents as files: safetensors with the tensor and a mark of the format's version."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comfypipe._types import JSONObject
from comfypipe.engine.latents.value import Samples

_TENSOR, _VERSION = "latent_tensor", "latent_format_version_0"
_OLD_SCALE = np.float32(1 / 0.18215)
"""Files from before the format had a version hold what Stable Diffusion 1 scales by 0.18215."""
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1"}


def write_latent(path: Path, samples: Samples, metadata: Mapping[str, str]) -> None:
    """
    Write a latent; the same one always gives the same bytes.

    That is why it is done here: safetensors' own writer puts the metadata in another order every time.
    """
    data = np.ascontiguousarray(samples, "<f4").tobytes()
    header: JSONObject = {
        "__metadata__": dict(metadata),
        _TENSOR: {"dtype": "F32", "shape": list(samples.shape), "data_offsets": [0, len(data)]},
        _VERSION: {"dtype": "F32", "shape": [0], "data_offsets": [len(data), len(data)]},
    }
    text = json.dumps({key: value for key, value in header.items() if value}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.write(data)


def read_latent(path: Path) -> Samples:
    """
    Read a latent, as float32.

    Raises:
        ValueError: It is not a safetensors file, is damaged, or holds no latent.
    """
    from safetensors import SafetensorError, deserialize

    try:
        tensors = dict(deserialize(path.read_bytes()))  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ValueError(f"latent: {path.name} is not a safetensors file, or damaged: {error}") from error
    if _TENSOR not in tensors:
        raise ValueError(f"latent: {path.name} holds no tensor named {_TENSOR}")
    tensor = tensors[_TENSOR]
    samples = _numbers(tensor["data"], tensor["dtype"], path.name).reshape(tensor["shape"])
    return samples if _VERSION in tensors else samples * _OLD_SCALE


def _numbers(data: bytes, dtype: str, name: str) -> NDArray[np.float32]:
    if dtype == "BF16":  # the upper half of a float32
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    if dtype not in _DTYPES:
        raise ValueError(f"latent: {name} holds numbers of type {dtype}, expected BF16 or one of {', '.join(_DTYPES)}")
    return np.frombuffer(data, _DTYPES[dtype]).astype(np.float32)
