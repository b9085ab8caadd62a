"""Files of this machine, where the other side can fetch them."""

import asyncio
import hashlib
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.signing_store import Served, SigningStore, serving_store

from comfypipe.backends.base import InputFile
from comfypipe.backends.comfyicu.staging import SignedStore
from comfypipe.errors import BackendError, BackendRejected, UsageError


@pytest.fixture
def store() -> Iterator[Served]:
    """Return a store that signs URLs."""
    with serving_store() as found:
        yield found


@pytest.fixture
def photo(tmp_path: Path) -> InputFile:
    """Return a file of this machine."""
    path = tmp_path / "my photo.png"
    path.write_bytes(b"pixels")
    return InputFile("input/comfypipe/ab/my photo.png", hashlib.sha256(b"pixels").hexdigest(), path)


def staged(store: Served) -> SignedStore:
    """Return a place in the store."""
    return SignedStore("signing://bucket/prefix/", {"origin": store.origin}, signed_s=600)


def test_a_file_is_put_there_once_under_its_digest(store: Served, photo: InputFile) -> None:
    """Its URL is signed for as long as the settings say, and gives its bytes; no other name is left over."""
    urls = {asyncio.run(staged(store).url_of(photo)) for _ in range(2)}
    place = f"/bucket/prefix/{photo.sha256}/my_photo.png"
    assert ({f"{store.origin}{place}?expires=600"}, [place]) == (urls, [*SigningStore.store])
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(urls.pop(), timeout=10) as reply:
        assert b"pixels" == reply.read()


def test_a_half_written_file_is_put_there_again(store: Served, photo: InputFile) -> None:
    """Its size tells."""
    asyncio.run(staged(store).url_of(photo))
    (place,) = SigningStore.store
    SigningStore(origin=store.origin, skip_instance_cache=True).pipe_file(place, b"pix")
    asyncio.run(staged(store).url_of(photo))
    assert b"pixels" == SigningStore.store[place].getvalue()


@pytest.mark.parametrize(
    ("location", "words"), [("memory://x", "cannot sign"), ("nowhere://x", "cannot be opened"), ("signing://", "")]
)
def test_a_store_that_cannot_do_it_says_so(store: Served, photo: InputFile, location: str, words: str) -> None:
    """It has to sign URLs, and to be of a kind that is known."""
    work = SignedStore(location, {"origin": store.origin} if location.startswith("signing") else None)
    if not words:
        assert asyncio.run(work.url_of(photo)).startswith(store.origin)
        return
    with pytest.raises(UsageError, match=words):
        asyncio.run(work.url_of(photo))


def test_a_file_that_is_gone_or_unknown_is_refused(store: Served, photo: InputFile) -> None:
    """Before anything is put anywhere."""
    assert photo.path is not None
    photo.path.unlink()
    for file in (photo, InputFile("input/x.png")):
        with pytest.raises(BackendRejected):
            asyncio.run(staged(store).url_of(file))
    assert {} == SigningStore.store


def test_what_the_store_says_is_passed_on(store: Served, photo: InputFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of store has errors of its own."""

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("the bucket is closed")

    monkeypatch.setattr(SigningStore, "put_file", refuse)
    with pytest.raises(BackendError, match="the bucket is closed"):
        asyncio.run(staged(store).url_of(photo))
