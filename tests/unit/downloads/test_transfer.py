"""Transfers: whole, resumed, bounded, tried again, or an error that says why."""

import asyncio
import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.downloads.conftest import OpenCache
from tests.unit.downloads.file_server import FileServer, Served

from comfypipe.downloads.cache import DownloadCache, Downloaded
from comfypipe.downloads.transfer import DownloadProgress
from comfypipe.errors import DownloadFailed, DownloadMissing, DownloadRefused, StoreError

CONTENT = random.Random(1).randbytes(3_000_000)  # noqa: S311  the same in every worker
DIGEST = hashlib.sha256(CONTENT).hexdigest()
TAGGED = Served(CONTENT, etag='"v1"')


def get(cache: DownloadCache, url: str, **options: object) -> Downloaded:
    """Fetch a file with a cache that is closed after it."""

    async def fetch() -> Downloaded:
        async with cache:
            return await cache.get(url, **options)  # type: ignore[arg-type]

    return asyncio.run(fetch())


def left_over(folder: Path) -> list[str]:
    """Return what lies among the unfinished files."""
    return sorted(path.name for path in (folder / "cache" / "partial").glob("*"))


def cut_off(times: int, served: Served, after: int = 1_000_000) -> Callable[[int], Served]:
    """Return what closes the connection in the middle, so many times, each time a little further on."""
    return lambda number: replace(served, stop_after=after) if number < times else served


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_file_arrives_whole(server: FileServer, open_cache: OpenCache, framing: str, tmp_path: Path) -> None:
    """A file is there under its content's name, with what its server says of it, and nothing is left over."""
    server.files["/a.bin"] = replace(TAGGED, framing=framing, media_type="image/png; x=y")
    found = get(open_cache(), server.url("/a.bin"))
    expected = (DIGEST, len(CONTENT), False, "image/png", CONTENT)
    assert expected == (found.sha256, found.size_bytes, found.cached, found.media_type, found.path.read_bytes())
    assert [] == left_over(tmp_path)


def test_progress_is_told(server: FileServer, open_cache: OpenCache) -> None:
    """Progress names the URL without its query, and ends with all bytes."""
    server.files["/a.bin"] = TAGGED
    told: list[DownloadProgress] = []
    get(open_cache(), server.url("/a.bin?key=s3cret"), on_progress=told.append)
    assert DownloadProgress(f"{server.origin}/a.bin?…", len(CONTENT), len(CONTENT)) == told[-1]
    received = [each.received_bytes for each in told]
    assert sorted(received) == received
    assert len(received) > 2


def test_a_cut_off_file_is_gone_on_with(server: FileServer, open_cache: OpenCache) -> None:
    """With a strong ETag only what is missing is asked for, under the condition that the file is the same."""
    server.files["/a.bin"] = cut_off(2, TAGGED)
    found = get(open_cache(), server.url("/a.bin"))
    assert (DIGEST, CONTENT) == (found.sha256, found.path.read_bytes())
    asked = [(each.get("range"), each.get("if-range")) for each in server.asked("/a.bin")]
    assert [(None, None), ("bytes=1000000-", '"v1"'), ("bytes=2000000-", '"v1"')] == asked


@pytest.mark.parametrize("etag", [None, 'W/"v1"', "unquoted"])
def test_without_a_strong_etag_it_begins_again(server: FileServer, open_cache: OpenCache, etag: str | None) -> None:
    """A weak ETag, or none, does not stand for every byte: the whole file is asked for anew."""
    server.files["/a.bin"] = cut_off(1, Served(CONTENT, etag=etag))
    found = get(open_cache(), server.url("/a.bin"))
    assert (DIGEST, [None, None]) == (found.sha256, [each.get("range") for each in server.asked("/a.bin")])


def test_a_changed_file_begins_again(server: FileServer, open_cache: OpenCache) -> None:
    """When the file has changed since it was cut off, the server sends the new one whole, and that is what is kept."""
    changed = Served(CONTENT[::-1], etag='"v2"')
    server.files["/a.bin"] = lambda number: replace(TAGGED, stop_after=999) if number == 0 else changed
    assert CONTENT[::-1] == get(open_cache(), server.url("/a.bin")).path.read_bytes()


def test_a_part_of_another_file_is_not_taken(server: FileServer, open_cache: OpenCache) -> None:
    """A server that ignores the condition, and sends a part of another file, is asked for the whole."""
    wrong = Served(
        CONTENT[::-1][1_000_000:],
        status=206,
        etag='"v2"',
        headers={"content-range": f"bytes 1000000-{len(CONTENT) - 1}/{len(CONTENT)}"},
    )
    script = [replace(TAGGED, stop_after=1_000_000), wrong, Served(CONTENT[::-1], etag='"v2"')]
    server.files["/a.bin"] = lambda number: script[number]
    assert CONTENT[::-1] == get(open_cache(), server.url("/a.bin")).path.read_bytes()


def test_parts_that_do_not_fit_are_fetched_anew(server: FileServer, open_cache: OpenCache) -> None:
    """Where the digest says that a resumed file is wrong, it is fetched once more from its beginning."""
    other = Served(CONTENT[::-1], etag='"v1"')
    script = [replace(other, stop_after=1_000_000), TAGGED, TAGGED]
    server.files["/a.bin"] = lambda number: script[number]
    found = get(open_cache(), server.url("/a.bin"), sha256=DIGEST)
    assert (CONTENT, 3) == (found.path.read_bytes(), len(server.asked("/a.bin")))


def test_another_process_goes_on(server: FileServer, open_cache: OpenCache, tmp_path: Path) -> None:
    """A download that failed goes on, in another cache object as in another process, where it was."""
    server.files["/a.bin"] = lambda number: replace(TAGGED, stop_after=400_000) if number < 1 else Served(status=503)
    with pytest.raises(DownloadFailed, match=r"broke off after 0\.4 of 3\.0 MB: it answers HTTP 503"):
        get(open_cache(), server.url("/a.bin"))
    assert 2 == len(left_over(tmp_path))
    server.files["/a.bin"] = TAGGED
    assert CONTENT == get(open_cache(), server.url("/a.bin")).path.read_bytes()
    assert "bytes=400000-" == server.asked("/a.bin")[-1]["range"]
    assert [] == left_over(tmp_path)


def test_what_had_all_arrived_is_not_sent_again(server: FileServer, open_cache: OpenCache, tmp_path: Path) -> None:
    """A process that was killed after the last byte leaves a file that the next one only asks to confirm."""
    server.files["/a.bin"] = lambda number: replace(TAGGED, stop_after=400_000) if number < 1 else Served(status=503)
    with pytest.raises(DownloadFailed):
        get(open_cache(), server.url("/a.bin"))
    (partial,) = [path for path in (tmp_path / "cache/partial").iterdir() if path.suffix != ".json"]
    partial.write_bytes(CONTENT)
    server.files["/a.bin"], server.sent = TAGGED, 0
    assert (CONTENT, 0) == (get(open_cache(), server.url("/a.bin")).path.read_bytes(), server.sent)


def test_an_unfinished_file_of_another_boot_is_not_trusted(
    server: FileServer, open_cache: OpenCache, tmp_path: Path
) -> None:
    """After a loss of power what was written may not be what was sent: it is fetched from its beginning."""
    server.files["/a.bin"] = lambda number: replace(TAGGED, stop_after=400_000) if number < 1 else Served(status=503)
    with pytest.raises(DownloadFailed):
        get(open_cache(), server.url("/a.bin"))
    (note,) = (tmp_path / "cache/partial").glob("*.json")
    note.write_text('{"etag": "\\"v1\\"", "boot": "another"}')
    server.files["/a.bin"] = TAGGED
    assert CONTENT == get(open_cache(), server.url("/a.bin")).path.read_bytes()
    assert "range" not in server.asked("/a.bin")[-1]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_faults_are_tried_again(server: FileServer, open_cache: OpenCache, status: int) -> None:
    """A server in trouble is asked again, until it gives the file."""
    server.files["/a.bin"] = lambda number: Served(status=status) if number < 3 else TAGGED
    assert (DIGEST, 4) == (get(open_cache(), server.url("/a.bin")).sha256, len(server.requests))


def test_retry_after_is_honoured(server: FileServer, open_cache: OpenCache) -> None:
    """A server that asks for a longer wait than there is patience is not asked again."""
    server.files["/a.bin"] = Served(status=503, headers={"retry-after": "3600"})
    with pytest.raises(DownloadFailed, match="HTTP 503"):
        get(open_cache(), server.url("/a.bin"))
    assert 1 == len(server.requests)


def test_tries_are_counted_without_progress(server: FileServer, open_cache: OpenCache) -> None:
    """Five faults in a row end a download; one that comes further each time goes on."""
    server.files["/never"] = Served(status=500)
    server.files["/slow"] = cut_off(9, TAGGED, after=300_000)
    with pytest.raises(DownloadFailed):
        get(open_cache(), server.url("/never"))
    assert 5 == len(server.asked("/never"))
    assert DIGEST == get(open_cache(), server.url("/slow")).sha256


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451, 204, 300])
def test_what_is_not_given_is_not_tried_again(
    server: FileServer, open_cache: OpenCache, status: int, tmp_path: Path
) -> None:
    """An answer without a file ends the download at once, with an error that is not retryable and nothing left over."""
    server.files["/a.bin"] = Served(status=status)
    with pytest.raises(DownloadMissing, match=f"HTTP {status}") as caught:
        get(open_cache(), server.url("/a.bin?token=s3cret"))
    assert (1, False, []) == (len(server.requests), caught.value.retryable, left_over(tmp_path))
    assert "s3cret" not in str(caught.value)


def test_a_host_that_is_not_there_is_an_error(open_cache: OpenCache) -> None:
    """A host whose name nobody knows, or that does not answer, is a download that failed, and may be tried later."""

    async def nobody(host: str, port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(DownloadFailed, match=r"gone\.example has no address: Name or service not known"):
        get(open_cache(resolver=nobody), "https://gone.example/a")
    with pytest.raises(DownloadFailed, match=r"http://127\.0\.0\.1:1/a broke off after 0\.0 MB"):
        get(open_cache(origins=["http://127.0.0.1:1"]), "http://127.0.0.1:1/a")


def test_declared_bytes_are_bounded(server: FileServer, open_cache: OpenCache, tmp_path: Path) -> None:
    """A file that says that it is too large is not begun."""
    server.files["/a.bin"] = TAGGED
    with pytest.raises(DownloadRefused, match="larger than the 1 MB"):
        get(open_cache(limits={"max_bytes": 1_000_000}), server.url("/a.bin"))
    assert [] == left_over(tmp_path)


def test_received_bytes_are_bounded(server: FileServer, open_cache: OpenCache, tmp_path: Path) -> None:
    """A file that does not say how large it is ends where it becomes too large, and nothing is left over."""
    server.files["/a.bin"] = Served(CONTENT, framing="chunked")
    with pytest.raises(DownloadRefused, match="larger than the 1 MB"):
        get(open_cache(), server.url("/a.bin"), size_limit=1_000_000)
    assert [] == left_over(tmp_path)


def test_a_body_that_ends_too_soon_is_seen(server: FileServer, open_cache: OpenCache) -> None:
    """A body shorter than its length, or than its chunks, is never taken for the file."""
    server.files["/length"] = Served(CONTENT, stop_after=1_000_000)
    server.files["/chunked"] = Served(CONTENT, framing="chunked", stop_after=1_000_000)
    for path in ("/length", "/chunked"):
        with pytest.raises(DownloadFailed, match="broke off"):
            get(open_cache(), server.url(path))


def test_a_body_of_unknown_length_needs_a_digest(server: FileServer, open_cache: OpenCache) -> None:
    """Where the end of the connection is the end of the body, only a size or digest tells whether it is whole."""
    server.files["/a.bin"] = Served(CONTENT, framing="close")
    with pytest.raises(DownloadMissing, match="whether it is whole could not be told"):
        get(open_cache(), server.url("/a.bin"))
    assert CONTENT == get(open_cache(), server.url("/a.bin"), size_bytes=len(CONTENT)).path.read_bytes()


@pytest.mark.parametrize(
    "expected", [{"sha256": "0" * 64}, {"size_bytes": 2_999_999}, {"sha256": DIGEST, "size_bytes": 5}]
)
def test_another_file_than_was_meant_is_refused(
    server: FileServer, open_cache: OpenCache, expected: dict[str, object], tmp_path: Path
) -> None:
    """A file with another digest or size than was declared is refused, and nothing is left over."""
    for framing in ("length", "chunked"):
        server.files["/a.bin"] = replace(TAGGED, framing=framing)
        with pytest.raises(DownloadRefused, match=r"as declared|that was declared"):
            get(open_cache(), server.url("/a.bin"), **expected)
    assert [] == left_over(tmp_path)
    assert [] == list((tmp_path / "cache").glob("files/*/*"))


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip"])
def test_encoded_bodies_are_refused(server: FileServer, open_cache: OpenCache, encoding: str) -> None:
    """Only the plain file is asked for, and taken: what unfolds has no bound."""
    server.files["/a.bin"] = replace(TAGGED, headers={"content-encoding": encoding})
    with pytest.raises(DownloadMissing, match="though the plain file was asked for"):
        get(open_cache(), server.url("/a.bin"))
    assert "identity" == server.requests[0][1]["accept-encoding"]


def test_a_silent_server_is_given_up(server: FileServer, open_cache: OpenCache) -> None:
    """A body that stalls is broken off, and tried again; the whole has its time as well."""
    server.files["/a.bin"] = replace(Served(CONTENT[:10]), declared=20)  # ten bytes never come
    with pytest.raises(DownloadFailed, match=r"broke off after 0\.0 of 0\.0 MB"):
        get(open_cache(limits={"stall_s": 0.05, "faults": 2}), server.url("/a.bin"))
    with pytest.raises(DownloadFailed, match=r"it took longer than 0\.1 s"):
        get(open_cache(limits={"stall_s": 5.0, "total_s": 0.1}), server.url("/a.bin"))


def test_no_room_is_seen_before(server: FileServer, open_cache: OpenCache, tmp_path: Path) -> None:
    """A file that the disk has no room for is not begun, and the error says how much there is."""
    server.files["/a.bin"] = replace(TAGGED, declared=1 << 60)
    with pytest.raises(StoreError, match=r"no room for .* MB are free"):
        get(open_cache(limits={"max_bytes": 1 << 62}), server.url("/a.bin"))
    assert [] == left_over(tmp_path)


def test_a_cancelled_download_can_be_gone_on_with(server: FileServer, open_cache: OpenCache) -> None:
    """What had arrived when a download was cancelled is not sent again."""
    server.files["/a.bin"] = lambda number: (
        replace(TAGGED, content=CONTENT[:2_000_000], declared=len(CONTENT)) if number == 0 else TAGGED
    )

    async def cancelled() -> None:
        async with open_cache() as cache:
            arrived = asyncio.Event()
            work = asyncio.create_task(
                cache.get(server.url("/a.bin"), on_progress=lambda told: arrived.set() if told.received_bytes else None)
            )
            await arrived.wait()
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work

    asyncio.run(cancelled())
    assert CONTENT == get(open_cache(), server.url("/a.bin")).path.read_bytes()
    assert int(server.asked("/a.bin")[-1]["range"].removeprefix("bytes=").removesuffix("-")) > 0
