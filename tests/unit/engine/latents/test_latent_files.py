"""Latents survive their way through a file, and files that hold none are refused clearly."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from comfypipe.engine.latents.files import read_latent, write_latent


def file_of(tensors: dict[str, Any], data: bytes) -> bytes:
    """Return a safetensors file."""
    header = json.dumps(tensors).encode()
    return struct.pack("<Q", len(header)) + header + data


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(shape=st.lists(st.integers(0, 3), min_size=1, max_size=5), text=st.text())
def test_round_trip(tmp_path: Path, shape: list[int], text: str) -> None:
    """Any shape and any text comes back, through safetensors' own reader as well."""
    text = text.encode(errors="ignore").decode()
    samples = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    write_latent(tmp_path / "a.latent", samples, {"prompt": text, "workflow": "{}"})
    np.testing.assert_array_equal(samples, read_latent(tmp_path / "a.latent"))
    with safe_open(tmp_path / "a.latent", "np") as file:
        assert {"prompt": text, "workflow": "{}"} == file.metadata()
        np.testing.assert_array_equal(samples, file.get_tensor("latent_tensor"))
        assert (0,) == file.get_tensor("latent_format_version_0").shape


@pytest.mark.parametrize(
    ("dtype", "data"),
    [
        ("F32", np.array([1.5, -2], "<f4").tobytes()),
        ("F16", np.array([1.5, -2], "<f2").tobytes()),
        ("F64", np.array([1.5, -2], "<f8").tobytes()),
        ("BF16", np.array([0x3FC0, 0xC000], "<u2").tobytes()),
    ],
)
def test_numbers_of_any_width(tmp_path: Path, dtype: str, data: bytes) -> None:
    """Whatever floats a file has become float32; files without the format's version are scaled as the old ones were."""
    tensor = {"dtype": dtype, "shape": [2], "data_offsets": [0, len(data)]}
    mark = {"dtype": "F32", "shape": [0], "data_offsets": [len(data), len(data)]}
    (tmp_path / "new").write_bytes(file_of({"latent_tensor": tensor, "latent_format_version_0": mark}, data))
    (tmp_path / "old").write_bytes(file_of({"latent_tensor": tensor}, data))
    expected = np.array([1.5, -2], np.float32)
    np.testing.assert_array_equal(expected, read_latent(tmp_path / "new"))
    np.testing.assert_array_equal(expected * np.float32(1 / 0.18215), read_latent(tmp_path / "old"))


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ("a.latent is not a safetensors file, or damaged", b""),
        ("a.latent is not a safetensors file, or damaged", b"no latent at all"),
        ("damaged", file_of({"latent_tensor": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}, b"cut")),
        ("holds no tensor named latent_tensor", file_of({}, b"")),
        (
            "holds numbers of type BOOL",
            file_of({"latent_tensor": {"dtype": "BOOL", "shape": [1], "data_offsets": [0, 1]}}, b"1"),
        ),
    ],
)
def test_unusable_file(tmp_path: Path, message: str, content: bytes) -> None:
    """Bytes that are no latent, a file cut short and one of something else each say so."""
    (tmp_path / "a.latent").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_latent(tmp_path / "a.latent")
