"""Inputs that are URLs, typed on a command line."""

import io
from pathlib import Path

from PIL import Image
from tests.cli.conftest import Type
from tests.unit.downloads.file_server import Served, serving


def test_an_input_may_be_a_url(examples: Path, typed: Type) -> None:
    """A URL on this machine needs permission; allowed, it is fetched, and how long that took is told apart."""
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (10, 20, 30)).save(buffer, "PNG")
    with serving({"/a.png": Served(buffer.getvalue(), etag='"1"')}) as server:
        command = ("run", "recolour", "-i", f"image={server.url('/a.png?token=s3cret')}")
        refused = typed(*command)
        assert (1, []) == (refused.status, server.requests)
        hint = f"hint: where this is meant, allow its origin: --allow-origin {server.origin}"
        assert hint in refused.err
        done = typed(*command, "--allow-origin", server.origin)
        assert 0 == done.status, done.err
        assert "recolour: 1 file fetched in " in done.err
        assert "s3cret" not in refused.err + done.err


def test_a_pattern_is_no_origin(examples: Path, typed: Type) -> None:
    """Permission is for exact origins: a pattern is refused before anything is asked."""
    refused = typed("run", "recolour", "-i", "image=https://example.com/a.png", "--allow-origin", "*")
    assert 1 == refused.status
    assert "is refused" in refused.err
