"""``/upload``: files that clients bring."""

import io
import json

import httpx
import pytest
from PIL import Image
from tests.unit.engine.server.client import png, upload

from comfypipe.engine.executor import Engine


def test_names(client: httpx.Client, engine: Engine) -> None:
    """Same bytes: same name; other bytes: a number; ``overwrite`` only with ``true`` or ``1``."""
    replies = [
        upload(client, "a.png", b"one"),
        upload(client, "a.png", b"one"),
        upload(client, "a.png", b"two"),
        upload(client, "a.png", b"two"),
        upload(client, "a.png", b"three", overwrite="true"),
        upload(client, "a.png", b"four", overwrite="True"),
        upload(client, "a.png", b"one", subfolder="sub/dir"),
        upload(client, "a.png", b"one", type="temp"),
        upload(client, "note.txt", b"hello"),
        upload(client, "café ✓.png", b"one"),
    ]
    names = [
        "a.png",
        "a.png",
        "a (1).png",
        "a (1).png",
        "a.png",
        "a (2).png",
        "a.png",
        "a.png",
        "note.txt",
        "café ✓.png",
    ]
    assert names == [each["name"] for each in replies]
    assert [("", "input"), ("sub/dir", "input"), ("", "temp")] == [
        (each["subfolder"], each["type"]) for each in (replies[0], replies[6], replies[7])
    ]
    assert b"three" == (engine.folders.input / "a.png").read_bytes()


def test_refused(client: httpx.Client, engine: Engine) -> None:
    """No file, another field, a way out of the folder, an unknown folder."""
    files = {"image": ("a.png", b"x")}
    assert 400 == client.post("/upload/image", data={"type": "input"}).status_code
    assert 400 == client.post("/upload/image", files={"file": ("a.png", b"x")}).status_code
    assert 400 == client.post("/upload/image", files=files, data={"subfolder": "../.."}).status_code
    assert 400 == client.post("/upload/image", files=files, data={"subfolder": "/etc"}).status_code
    assert 500 == client.post("/upload/image", files=files, data={"type": "bogus"}).status_code
    assert [] == [each for each in engine.folders.input.parent.rglob("*") if each.is_file()]


def test_hostile_filenames_stay_inside(client: httpx.Client, engine: Engine) -> None:
    """Whatever a file is called, it ends below the folder or nowhere."""
    for name in ("../../evil.png", "/tmp/evil.png", "..", "a\x00b.png", "d1/x.png"):  # noqa: S108
        client.post("/upload/image", files={"image": (name, b"x")})
    root = engine.folders.input.resolve()
    written = [each for each in engine.folders.input.parent.rglob("*") if each.is_file()]
    assert all(each.resolve().is_relative_to(root) for each in written)


def test_mask_becomes_alpha(client: httpx.Client) -> None:
    """The uploaded picture's alpha is put onto the one that it refers to."""
    upload(client, "photo.png", png(Image.new("RGB", (4, 4), (1, 2, 3))))
    mask = png(Image.new("RGBA", (2, 2), (0, 0, 0, 77)))
    reference = json.dumps({"filename": "photo.png", "type": "input"})
    reply = client.post("/upload/mask", files={"image": ("m.png", mask)}, data={"original_ref": reference})
    assert {"name": "m.png", "subfolder": "", "type": "input"} == reply.json()
    stored = Image.open(io.BytesIO(client.get("/view?filename=m.png&type=input").content))
    assert ((4, 4), (1, 2, 3, 77)) == (stored.size, stored.getpixel((0, 0)))


@pytest.mark.parametrize("reference", ["", "[]", "{}", '{"filename": "../x"}', '{"filename": "no.png"}'])
def test_mask_of_nothing(client: httpx.Client, reference: str) -> None:
    """Without a picture to put it onto: 400."""
    mask = png(Image.new("RGBA", (2, 2)))
    reply = client.post("/upload/mask", files={"image": ("m.png", mask)}, data={"original_ref": reference})
    assert 400 == reply.status_code
