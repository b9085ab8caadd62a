"""What URLs and settings mean."""

from pathlib import Path
from typing import Any

import pytest

from comfypipe.backends.comfyicu.accelerators import known_accelerators
from comfypipe.backends.comfyicu.address import HOSTED, read_address
from comfypipe.backends.comfyicu.settings import create
from comfypipe.backends.registry import open_backend
from comfypipe.errors import UsageError
from comfypipe.project import ProjectLayout, Settings

LAYOUT = ProjectLayout(Path("/nowhere"))


@pytest.mark.parametrize(
    ("url", "base", "workflow_id", "shown"),
    [
        ("comfyicu:", HOSTED, None, "comfyicu:"),
        ("comfyicu:?workflow_id=ab-1", HOSTED, "ab-1", "comfyicu:?workflow_id=ab-1"),
        ("comfyicu+https://runs.example", "https://runs.example/api/v1", None, "comfyicu+https://runs.example/api/v1"),
        (
            "comfyicu+http://127.0.0.1:8000/api/v1/?workflow_id=w",
            "http://127.0.0.1:8000/api/v1",
            "w",
            "comfyicu+http://127.0.0.1:8000/api/v1?workflow_id=w",
        ),
        ("COMFYICU+HTTP://[::1]:8000/x", "http://[::1]:8000/x", None, "comfyicu+http://[::1]:8000/x"),
    ],
)
def test_urls(url: str, base: str, workflow_id: str | None, shown: str) -> None:
    """Each says where the API answers; what is shown leads to the same."""
    found = read_address(url)
    assert (base, workflow_id, shown) == (found.base, found.workflow_id, found.shown)
    assert found == read_address(shown)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("comfyicu+https://", "name a host"),
        ("comfyicu+ftp://host", "name a host"),
        ("comfyicu:host", "name a host"),
        ("comfyicu+https://key@host", "key does not belong"),
        ("comfyicu+http://8.8.8.8/api/v1", "in the clear"),
        ("comfyicu:?workflow_id=../x", "no workflow_id"),
        ("comfyicu:?model=x", "take no model"),
        ("comfyicu+http://[::1", "comfyicu+http"),
        ("comfyicu+http://host:99999", "comfyicu+http"),
    ],
)
def test_urls_that_are_none(url: str, words: str) -> None:
    """The error says what is wrong, never the key."""
    with pytest.raises(UsageError, match=words.replace("+", r"\+")) as raised:
        read_address(url)
    assert "key@" not in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"workflow": "x"}, "did you mean workflow_id"),
        ({"workflow_id": "a/b"}, "no workflow_id"),
        ({"key_env": "NOT_SET_ANYWHERE"}, "there is no key"),
        ({"block": "production"}, "read by flows"),
        ({"staging": 3}, "takes text"),
        ({"staging": "s3://b", "staging_options": 1}, "takes a table"),
        ({"staging": "s3://b", "staging_signed_s": 1}, "from 60 on"),
        ({"webhook_url": "https://hook.example"}, "go together"),
        ({"webhook_url": "hook", "webhook_listen": "127.0.0.1:1"}, "takes a URL"),
        ({"webhook_url": "https://h.example", "webhook_listen": ":1", "webhook_secret_env": "NOPE"}, "no secret"),
        ({"allow_origins": "http://x"}, "takes a list"),
        ({"allow_origins": ["ftp://x"]}, "allow_origins"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is named, with what it takes."""
    monkeypatch.delenv("COMFYICU_API_KEY", raising=False)
    with pytest.raises(UsageError) as raised:
        create("comfyicu:", settings, LAYOUT)
    assert words in str(raised.value)


def test_a_key_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that no header can carry is refused without being repeated."""
    monkeypatch.setenv("COMFYICU_API_KEY", "se cret")
    with pytest.raises(UsageError) as raised:
        create("comfyicu:", {}, LAYOUT)
    assert "se cret" not in str(raised.value)


def test_a_project_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By name, with its settings; its URL shows nothing of the key."""
    monkeypatch.setenv("OUR_KEY", "sk-secret")
    settings = {"url": "comfyicu+https://runs.example", "key_env": "OUR_KEY", "workflow_id": "w"}
    backend = open_backend("ours", ProjectLayout(tmp_path, Settings(backends={"ours": settings})))
    assert ("comfyicu+https://runs.example/api/v1", True) == (backend.url, backend.takes_urls)
    assert "sk-secret" not in repr(vars(backend))


def test_accelerators_are_known_however_they_are_written() -> None:
    """In the order in which they are wanted, each once, as the API writes them."""
    wanted = ("a100-80gb", "RTX", "A100_80GB", "h100")
    assert ("A100_80GB", "H100") == known_accelerators(wanted, ("T4", "A100_80GB", "H100"))
