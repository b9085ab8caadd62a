"""Keys: where they come from, where they go, and that they are never shown."""

import asyncio

import pytest
from tests.unit.downloads.conftest import OpenCache
from tests.unit.downloads.file_server import FileServer, Served

from comfypipe.downloads.credentials import Credentials, Token, missing_key
from comfypipe.downloads.urls import read_url
from comfypipe.errors import DownloadMissing, DownloadRefused

KEYS = Credentials.from_environment({"HF_TOKEN": " hf_s3cret\n", "CIVITAI_API_TOKEN": "civ_s3cret", "OTHER": "x"})


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://huggingface.co/a/b/resolve/main/x.safetensors", "HF_TOKEN"),
        ("https://HuggingFace.co.:443/a", "HF_TOKEN"),
        ("https://hf.co/a", "HF_TOKEN"),
        ("https://civitai.com/api/download/models/1", "CIVITAI_API_TOKEN"),
        ("http://huggingface.co/a", None),
        ("https://huggingface.co:8443/a", None),
        ("https://huggingface.co.evil.example/a", None),
        ("https://evil-huggingface.co/a", None),
        ("https://cdn-lfs.huggingface.co/a", None),
        ("https://example.com/huggingface.co", None),
    ],
)
def test_keys_go_to_their_own_hosts(url: str, name: str | None) -> None:
    """A key is sent to the very hosts that it is for, over https, on the usual port."""
    token = KEYS.token_for(read_url(url))
    assert name == (token.name if token else None)


def test_keys_are_not_shown() -> None:
    """No key stands in what is printed of keys; the header has it, without the spaces around it."""
    assert "s3cret" not in repr(KEYS)
    assert [{"Authorization": "Bearer hf_s3cret"}, {"Authorization": "Bearer civ_s3cret"}] == [
        token.header for token in KEYS.tokens
    ]


@pytest.mark.parametrize("value", ["two words", "two\nlines", "ümlaut", "null\0"])
def test_what_is_no_key_is_refused(value: str) -> None:
    """A key that no header takes is an error that does not show it."""
    with pytest.raises(DownloadRefused, match="HF_TOKEN holds signs that no key has") as caught:
        Credentials.from_environment({"HF_TOKEN": value})
    assert value not in str(caught.value)


def test_an_empty_environment_has_no_keys() -> None:
    """Variables that are unset or empty give no keys."""
    assert Credentials() == Credentials.from_environment({"HF_TOKEN": "  "})


def test_hosts_that_take_keys_are_known() -> None:
    """For a host that takes a key, its variable is named in hints."""
    assert "HF_TOKEN" == missing_key(read_url("https://huggingface.co/a"))
    assert missing_key(read_url("https://example.com/a")) is None


def test_a_given_key_takes_the_place_of_ours(server: FileServer, open_cache: OpenCache) -> None:
    """Whoever brings a key of their own is not helped with the operator's."""
    server.files["/a"] = Served(b"here")
    token = Token("HF_TOKEN", "s3cret", frozenset({server.origin}))

    async def ask() -> None:
        async with open_cache(credentials=Credentials((token,))) as cache:
            await cache.get(server.url("/a"), headers={"authorization": "Bearer own"})

    asyncio.run(ask())
    assert ["Bearer own"] == [each["authorization"] for each in server.asked("/a")]


def test_errors_never_hold_a_key(server: FileServer, open_cache: OpenCache) -> None:
    """A refused key stands neither in the error nor in what led to it."""
    server.files["/a"] = Served(status=401)
    token = Token("HF_TOKEN", "s3cret", frozenset({server.origin}))

    async def ask() -> None:
        async with open_cache(credentials=Credentials((token,))) as cache:
            await cache.get(server.url("/a"))

    with pytest.raises(DownloadMissing) as caught:
        asyncio.run(ask())
    error: BaseException | None = caught.value
    while error is not None:
        assert "s3cret" not in f"{error!s}{error!r}{vars(error)}"
        error = error.__cause__ or error.__context__
