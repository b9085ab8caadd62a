"""Models: what is one, what only has its name, and what runs code."""

import io
import json
import pickle
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from comfypipe.downloads.destinations import destination
from comfypipe.downloads.model_files import check_file, check_name
from comfypipe.downloads.safetensors_header import check_safetensors
from comfypipe.errors import DownloadRefused

MODEL = destination("models/loras/x.safetensors")
WHOLE = save({"a": np.zeros((2, 3), np.float32), "b": np.ones(5, np.int8)}, {"made": "by hand"})


def written(folder: Path, content: bytes) -> Path:
    """Write a file and return its path."""
    path = folder / "file"
    path.write_bytes(content)
    return path


def with_header(header: Any, data: bytes = b"") -> bytes:
    """Return a file with this header, as JSON or as it is."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + data


def tensor(begin: int, end: int, shape: list[Any] | None = None, dtype: str = "U8") -> dict[str, Any]:
    """Return what a header says of one tensor."""
    return {"dtype": dtype, "shape": [end - begin] if shape is None else shape, "data_offsets": [begin, end]}


def test_whole_files_pass(tmp_path: Path) -> None:
    """What the format's own library writes passes, without tensors and with metadata too."""
    for content in (WHOLE, save({}), with_header({"__metadata__": {"a": "b"}}), with_header({"t": tensor(0, 0, [0])})):
        check_safetensors(written(tmp_path, content))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        WHOLE[:-1],
        WHOLE + b"x",
        b"<!doctype html><html>",
        (1 << 40).to_bytes(8, "little") + b"{}",
        (100_000_001).to_bytes(8, "little") + b"{}",
        with_header(b"[]"),
        with_header(b"null"),
        with_header(b" {}"),
        with_header(b'{"a"'),
        with_header(b"\xff\xfe"),
        with_header(b'{"a": {"dtype": "U8"}}'),
        with_header(b'{"t": 1, "t": 2}'),
        with_header(b"[" * 100_000),
        with_header({"__metadata__": {"a": 1}}),
        with_header({"t": tensor(0, 2, [3])}, b"12"),
        with_header({"t": tensor(0, 2, [1], "F64")}, b"12"),
        with_header({"t": tensor(1, 2)}, b"12"),
        with_header({"t": tensor(0, 5)}, b"12"),
        with_header({"t": tensor(2, 0, [0])}, b""),
        with_header({"t": tensor(-1, 1)}, b"12"),
        with_header({"t": tensor(0, 2, [True, 2])}, b"12"),
        with_header({"t": tensor(0, 2, [2.0])}, b"12"),
        with_header({"a": tensor(0, 4), "b": tensor(2, 6)}, b"123456"),
        with_header({"a": tensor(0, 2), "b": tensor(4, 6)}, b"123456"),
        with_header({"t": {"dtype": 7, "shape": [], "data_offsets": [0, 1]}}, b"1"),
        with_header({"t": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1, 1]}}, b"1"),
        pickle.dumps({"a": 1}),
    ],
)
def test_broken_files_are_refused(content: bytes, tmp_path: Path) -> None:
    """A header that does not fit its file, in length, form, or the places of its tensors, is refused."""
    with pytest.raises(DownloadRefused, match="is no safetensors file"):
        check_safetensors(written(tmp_path, content))


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255), st.randoms(use_true_random=False))
def test_what_passes_the_library_can_read(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int, draw: random.Random
) -> None:
    """A file with a changed byte is refused, or is one that the format's own library reads too."""
    changed = bytearray(WHOLE)
    changed[place] = value
    path = written(tmp_path_factory.mktemp("model"), bytes(changed))
    try:
        check_safetensors(path)
    except DownloadRefused:
        return
    try:
        with safe_open(path, "numpy") as opened:
            list(opened.keys())
    except SafetensorError as error:
        assert "dtype" in str(error) or "variant" in str(error)  # noqa: PT017  a type that no version knows


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".pth", ".bin", ".PT", ".pkl", ".pt2", ".pickle"])
def test_pickles_need_permission(suffix: str, tmp_path: Path) -> None:
    """A model that runs code when it is loaded is refused by its name, unless the operator allows it."""
    place = destination(f"models/checkpoints/x{suffix}")
    with pytest.raises(DownloadRefused, match="is a pickle"):
        check_name(place, allow_pickle=False)
    check_name(place, allow_pickle=True)
    check_file(written(tmp_path, pickle.dumps([1])), place, allow_pickle=True)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_disguised_pickles_are_refused(protocol: int, tmp_path: Path) -> None:
    """A pickle under another name is refused by what it holds."""
    path = written(tmp_path, pickle.dumps({"a": [1, 2]}, protocol=protocol))
    for name in ("models/loras/x.gguf", "models/loras/x", "models/configs/x.yaml", "models/loras/x.safetensors"):
        with pytest.raises(DownloadRefused):
            check_file(path, destination(name), allow_pickle=False)


def test_archives_of_pickles_are_refused(tmp_path: Path) -> None:
    """PyTorch's archive under another name is refused as well."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
    with pytest.raises(DownloadRefused, match="is a pickle"):
        check_file(written(tmp_path, buffer.getvalue()), destination("models/loras/x.onnx"), allow_pickle=False)


@pytest.mark.parametrize(
    "page", [b"<!DOCTYPE html><title>Log in", b"\xef\xbb\xbf\n <html lang=en>", b"<HEAD>", b"<body>"]
)
@pytest.mark.parametrize("name", ["models/loras/x.safetensors", "models/vae/x.gguf", "input/photo.png"])
def test_pages_are_no_files(page: bytes, name: str, tmp_path: Path) -> None:
    """A page to log in at is not taken for a model or a picture, and the hint names the keys."""
    with pytest.raises(DownloadRefused, match="is a web page") as caught:
        check_file(written(tmp_path, page), destination(name), allow_pickle=False)
    assert "HF_TOKEN" in (caught.value.hint or "")


def test_other_files_pass(tmp_path: Path) -> None:
    """A whole model, a picture, a page that was meant, and an archive as input pass."""
    check_file(written(tmp_path, WHOLE), MODEL, allow_pickle=False)
    check_file(written(tmp_path, b"\x89PNG"), destination("input/a.png"), allow_pickle=False)
    check_file(written(tmp_path, b"<html>"), destination("input/a.html"), allow_pickle=False)
    check_file(written(tmp_path, b"PK\x03\x04"), destination("input/a.zip"), allow_pickle=False)
    check_file(written(tmp_path, b"GGUF"), destination("models/unet/a.gguf"), allow_pickle=False)
