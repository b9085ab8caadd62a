"""Fleets in the project's settings."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from comfypipe.backends.base import Backend
from comfypipe.backends.comfyui.fleet import FleetBackend
from comfypipe.backends.registry import open_backend, split_urls
from comfypipe.errors import UsageError
from comfypipe.project import ProjectLayout, Settings


def opened(root: Path, settings: str | Mapping[str, Any]) -> Backend:
    """Open the backend that has these settings."""
    return open_backend("studio", ProjectLayout(root, Settings(backends={"studio": settings})))


A, B = "http://a:8188", "https://user:secret,x@b"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (f"{A}, {B}", [("http://a:8188", None, 2), ("https://b", None, 2)]),
        ({"url": [A, B], "depth": 3}, [("http://a:8188", None, 3), ("https://b", None, 3)]),
        (
            {"servers": [{"url": A, "accelerator": "L4", "depth": 1}, B], "lost_s": 5, "headers": {"x": "y"}},
            [("http://a:8188", "L4", 1), ("https://b", None, 2)],
        ),
    ],
)
def test_every_way_to_write_a_fleet(
    tmp_path: Path, settings: str | Mapping[str, Any], expected: list[tuple[str, str | None, int]]
) -> None:
    """URLs with commas, a list of them, and a table a server; names are URLs without credentials."""
    fleet = opened(tmp_path, settings)
    assert isinstance(fleet, FleetBackend)
    assert expected == [(each.name, each.accelerator, each.depth) for each in fleet.status()]
    assert ("http://a:8188,https://b", False) == (fleet.url, fleet.simulated)
    assert sum(depth for _, _, depth in expected) == fleet.slots
    asyncio.run(fleet.close())


def test_one_url_is_no_fleet(tmp_path: Path) -> None:
    """Nor is a comma in a password; a table of one server is, as it may have an accelerator."""
    for settings, kind in ((B, False), ({"servers": [{"url": A, "accelerator": "L4"}]}, True)):
        backend = opened(tmp_path, settings)
        assert kind == isinstance(backend, FleetBackend)
        asyncio.run(backend.close())
    assert [A, B] == split_urls(f" {A} , {B} ")


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"servers": []}, 'the backend "studio" has no url', "add url"),
        ({"servers": [{"depth": 1}]}, 'the backend "studio" has no url', "add url"),
        ({"servers": [{"url": A, "depth": "2"}]}, f"{A}: depth takes a whole number", "how many"),
        ({"servers": [{"url": A, "depth": 0}]}, f"depth of the server {A} is 0", "1 or more"),
        ({"servers": [{"url": A, "accelerator": ["L4"]}]}, f"{A}: accelerator takes text", 'such as "L4"'),
        ({"servers": [{"url": A, "acelerator": "L4"}]}, "takes no setting acelerator", "did you mean accelerator?"),
        ({"servers": [A], "lost_s": "1m"}, "lost_s of a fleet takes a number of seconds", None),
        ({"servers": [A], "lots_s": 1}, "takes no setting lots_s", "did you mean lost_s?"),
        (f"{A},{A}", "each with a name of its own", None),
    ],
)
def test_wrong_settings_are_explained(
    tmp_path: Path, settings: str | Mapping[str, Any], message: str, hint: str | None
) -> None:
    """Each says what is wrong, and what would be right."""
    with pytest.raises(UsageError) as caught:
        opened(tmp_path, settings)
    assert message in caught.value.message
    assert (hint or "") in (caught.value.hint or "")


def test_settings_are_read_from_pyproject(tmp_path: Path) -> None:
    """Lists of URLs and of tables are settings like any other."""
    (tmp_path / "pyproject.toml").write_text(
        '[tool.comfypipe.backends.one]\nurl = ["http://a:8188", "http://b:8188"]\n'
        '[tool.comfypipe.backends.two]\nservers = [{ url = "http://c:8188", accelerator = "L4" }, "http://d:8188"]\n'
    )
    layout = ProjectLayout.find(tmp_path)
    for name, url in (("one", "http://a:8188,http://b:8188"), ("two", "http://c:8188,http://d:8188")):
        backend = open_backend(name, layout)
        assert url == backend.url
        asyncio.run(backend.close())
