"""``/view``: files, and pictures made of them."""

import io
from pathlib import Path

import httpx
import pytest
from PIL import Image
from tests.unit.engine.server.client import png, upload

from comfypipe.engine.executor import Engine


@pytest.fixture(autouse=True)
def files(client: httpx.Client) -> None:
    """Put two pictures in place."""
    picture = Image.new("RGBA", (4, 3), (10, 20, 30, 128))
    for subfolder in ("", "sub/dir"):
        upload(client, "up.png", png(picture), subfolder=subfolder)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("filename=up.png&type=input", 200),
        ("filename=up.png [input]", 200),
        ("filename=up.png", 404),
        ("filename=nope.png&type=output", 404),
        ("type=output", 404),
        ("filename=&type=output", 400),
        ("filename=up.png&type=bogus", 400),
        ("filename=../x.png&type=output", 400),
        ("filename=/etc/passwd&type=output", 400),
        ("filename=a..b.png&type=input", 400),
        ("filename=x%00.png&type=input", 400),
        ("filename=x.png&subfolder=../..&type=output", 403),
        ("filename=passwd&subfolder=/etc&type=output", 403),
        ("filename=up.png&subfolder=sub/dir&type=input", 200),
        ("filename=sub/dir/up.png&type=input", 200),
        ("filename=sub&type=input", 404),
    ],
)
def teststatus(client: httpx.Client, query: str, status: int) -> None:
    """As ComfyUI answers."""
    assert status == client.get(f"/view?{query}").status_code


def test_link_that_leads_out(client: httpx.Client, engine: Engine, tmp_path: Path) -> None:
    """A symbolic link to elsewhere is not followed."""
    (tmp_path / "secret.txt").write_text("secret")
    (engine.folders.input / "link.txt").symlink_to(tmp_path / "secret.txt")
    assert 403 == client.get("/view?filename=link.txt&type=input").status_code


def test_part_of_a_file(client: httpx.Client) -> None:
    """Range and ETag work."""
    whole = client.get("/view?filename=up.png&type=input")
    part = client.get("/view?filename=up.png&type=input", headers={"Range": "bytes=0-9"})
    assert (206, whole.content[:10]) == (part.status_code, part.content)
    assert whole.headers["etag"]


def test_preview_and_channels(client: httpx.Client) -> None:
    """Other formats; colours alone; alpha alone."""
    kinds = {"preview=webp;50": "WEBP", "preview=jpeg": "JPEG", "preview=odd": "WEBP", "channel=rgb": "PNG"}
    for query, kind in kinds.items():
        reply = client.get(f"/view?filename=up.png&type=input&{query}")
        assert kind == Image.open(io.BytesIO(reply.content)).format
    alpha = Image.open(io.BytesIO(client.get("/view?filename=up.png&type=input&channel=a").content))
    assert ("RGBA", (0, 0, 0, 128)) == (alpha.mode, alpha.getpixel((0, 0)))


def test_preview_of_no_picture(client: httpx.Client) -> None:
    """500, as ComfyUI answers."""
    upload(client, "note.txt", b"hello")
    assert 500 == client.get("/view?filename=note.txt&type=input&preview=webp").status_code


def test_pages_are_not_run_by_browsers(client: httpx.Client) -> None:
    """HTML and SVG come as attachments that no browser guesses about."""
    for name in ("page.html", "drawing.svg"):
        upload(client, name, b"<svg onload=alert(1)>")
        headers = client.get(f"/view?filename={name}&type=input").headers
        assert "nosniff" == headers["x-content-type-options"]
        assert headers["content-disposition"].startswith("attachment")


def test_large_files_are_given_as_small_ones(client: httpx.Client, engine: Engine) -> None:
    """A file that is read piece by piece has the same headers as one that is read at once, and all of its bytes."""
    sizes = (5, 300_000)
    for size in sizes:
        (engine.folders.input / f"{size}.bin").write_bytes(bytes(size))
    replies = [client.get(f"/view?filename={size}.bin&type=input") for size in sizes]
    assert [bytes(size) for size in sizes] == [each.content for each in replies]
    assert [str(size) for size in sizes] == [each.headers["content-length"] for each in replies]
    small, large = (list(each.headers) for each in replies)
    assert large == small


def test_head_of_a_file(client: httpx.Client) -> None:
    """HEAD gives the headers of GET, and no body."""
    got, head = client.get("/view?filename=up.png&type=input"), client.head("/view?filename=up.png&type=input")
    assert (200, b"") == (head.status_code, head.content)
    assert [each for each in got.headers.items() if each[0] != "date"] == [
        each for each in head.headers.items() if each[0] != "date"
    ]
