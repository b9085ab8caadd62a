"""Which backend a URL or a name means."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.unit.execution.folder_backend import FolderBackend

from comfypipe.backends.embedded import EmbeddedBackend
from comfypipe.backends.registry import BackendPool, open_backend, resolve
from comfypipe.errors import UsageError
from comfypipe.project import ProjectLayout, Settings


def layout(root: Path, **backends: str | Mapping[str, Any]) -> ProjectLayout:
    """Return a project that names these backends."""
    return ProjectLayout(root, Settings(backends=backends))


def test_embedded_is_the_engine_in_this_process(tmp_path: Path) -> None:
    """Its URL, in any case, opens the engine."""
    for url in ("embedded:", "EMBEDDED:"):
        backend = open_backend(url, layout(tmp_path))
        assert isinstance(backend, EmbeddedBackend)
        asyncio.run(backend.close())


def test_names_of_the_settings_stand_for_urls(tmp_path: Path) -> None:
    """A name opens what the settings say, with its settings."""
    project = layout(tmp_path, here="embedded:", small={"url": "embedded:", "cache_bytes": 1})
    for name in ("here", "small"):
        backend = open_backend(name, project)
        assert "embedded:" == backend.url
        asyncio.run(backend.close())


@pytest.mark.parametrize(
    ("asked", "message", "hint"),
    [
        ("nowhere:x", "has no backend for nowhere: URLs", "this version has embedded:"),
        ("smal", 'no backend is called "smal"', "did you mean small?"),
        ("", 'no backend is called ""', "the project names small, broken"),
        ("broken", 'the backend "broken" has no url', "[tool.comfypipe.backends.broken]"),
    ],
)
def test_what_is_not_there_is_a_usage_error_that_says_what_is(
    tmp_path: Path, asked: str, message: str, hint: str
) -> None:
    """Unknown schemes and names are told apart, and the hint names what this version and the project have."""
    with pytest.raises(UsageError) as raised:
        open_backend(asked, layout(tmp_path, small={"url": "embedded:"}, broken={"depth": 2}))
    assert message in raised.value.message
    assert hint in str(raised.value.hint)


@pytest.mark.parametrize(
    ("kept", "settings"),
    [
        ("embedded:", {"cache_bytes": 1}),
        ("http://host:8188", {"headers": {"X-Key": "k"}}),
        ("comfyicu+https://runs.example/api/v1", {"workflow_id": "w"}),
        ("http://me:mine@host:8188", {}),
    ],
)
def test_a_url_that_the_ledger_kept_has_the_settings_of_its_name(kept: str, settings: Mapping[str, Any]) -> None:
    """Credentials aside; a URL with credentials of its own is another."""
    named = {
        "small": {"url": "embedded:", "cache_bytes": 1},
        "host": {"url": "http://user:word@host:8188/", "headers": {"X-Key": "k"}},
        "runs": {"url": "comfyicu+https://runs.example", "workflow_id": "w"},
    }
    assert settings == resolve(kept, named)[1]


def test_a_pool_opens_each_backend_once_and_closes_it(tmp_path: Path) -> None:
    """The same name, and the URL that the ledger keeps, give the same backend; all are closed once."""
    opened: list[FolderBackend] = []

    def opener(url: str, _layout: ProjectLayout) -> FolderBackend:
        opened.append(FolderBackend(tmp_path / "server", url=url.replace("secret@", "")))
        return opened[-1]

    pool = BackendPool(layout(tmp_path), opener)
    first = pool.get("folder://secret@host")
    assert first is pool.get("folder://secret@host") is pool.get("folder://host")
    asyncio.run(pool.close())
    assert [True] == [backend.closed for backend in opened]
