"""The cache: one transfer for many askers, asked again when it should be, and never more than its size."""

import asyncio
import hashlib
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.downloads.conftest import OpenCache
from tests.unit.downloads.file_server import FileServer, Served

from comfypipe.downloads.cache import DownloadCache, Downloaded
from comfypipe.errors import DownloadFailed, DownloadRefused, StoreError

CONTENT = random.Random(1).randbytes(300_000)  # noqa: S311  the same in every worker
DIGEST = hashlib.sha256(CONTENT).hexdigest()
TAGGED = Served(CONTENT, etag='"v1"')

FETCH = """
import asyncio, sys
from pathlib import Path
from comfypipe.downloads.cache import DownloadCache
from comfypipe.downloads.guard import AddressPolicy

async def main(folder, origin, url):
    async with DownloadCache(Path(folder), AddressPolicy(frozenset({origin}))) as cache:
        print("ready", flush=True)
        sys.stdin.readline()
        print((await cache.get(url)).sha256, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def get_all(cache: DownloadCache, urls: list[str], **options: object) -> list[Downloaded]:
    """Ask for all at once, then close the cache."""
    async with cache:
        return await asyncio.gather(*(cache.get(url, **options) for url in urls))  # type: ignore[arg-type]


def test_eight_tasks_make_one_transfer(server: FileServer, open_cache: OpenCache) -> None:
    """Eight tasks that want one file ask its server once, and one of them did the transfer."""
    server.files["/a"] = TAGGED
    found = asyncio.run(get_all(open_cache(), [server.url("/a")] * 8))
    assert (1, 1, {DIGEST}) == (len(server.requests), sum(not each.cached for each in found), {e.sha256 for e in found})
    assert all(each.seconds > 0 for each in found)


def test_eight_processes_make_one_transfer(server: FileServer, tmp_path: Path) -> None:
    """Eight processes that want one file at the same time ask its server once."""
    server.files["/a"] = replace(TAGGED, content=os.urandom(20_000_000))
    command = [sys.executable, "-c", FETCH, str(tmp_path / "cache"), server.origin, server.url("/a")]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    for each in started:
        assert each.stdout is not None
        assert "ready\n" == each.stdout.readline()
    for each in started:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    replies = [each.communicate(timeout=60)[0] for each in started]
    digest = hashlib.sha256(server.files["/a"].content).hexdigest()  # type: ignore[union-attr]
    assert ([f"{digest}\n"] * 8, 1) == (replies, len(server.requests))


def test_a_fresh_url_is_not_asked_again(server: FileServer, open_cache: OpenCache) -> None:
    """A URL that was asked a moment ago is not asked again, by another process either."""
    server.files["/a"] = TAGGED
    for cached in (False, True):
        (found,) = asyncio.run(get_all(open_cache(), [server.url("/a")]))
        assert cached == found.cached
    assert 1 == len(server.requests)


@pytest.mark.parametrize("served", [TAGGED, Served(CONTENT, last_modified="Wed, 21 Oct 2015 07:28:00 GMT")])
def test_an_unchanged_file_is_not_sent_again(server: FileServer, open_cache: OpenCache, served: Served) -> None:
    """Later on the server is asked whether the file has changed; unchanged, it is not sent."""
    server.files["/a"] = served
    for cached in (False, True, True):
        (found,) = asyncio.run(get_all(open_cache(fresh_s=0), [server.url("/a")]))
        assert (cached, CONTENT) == (found.cached, found.path.read_bytes())
    assert (3, len(CONTENT)) == (len(server.requests), server.sent)


def test_a_changed_file_is_fetched(server: FileServer, open_cache: OpenCache) -> None:
    """A file that has changed is fetched, and the earlier one is still there under its own digest."""
    server.files["/a"] = TAGGED
    asyncio.run(get_all(open_cache(), [server.url("/a")]))
    server.files["/a"] = Served(b"new", etag='"v2"')
    cache = open_cache(fresh_s=0)
    (found,) = asyncio.run(get_all(cache, [server.url("/a")]))
    assert (b"new", False) == (found.path.read_bytes(), found.cached)
    earlier = cache.find(DIGEST)
    assert earlier is not None
    assert CONTENT == earlier.read_bytes()


def test_without_validators_it_is_fetched_again(server: FileServer, open_cache: OpenCache) -> None:
    """A server that gives nothing to compare by sends the file again once it is not fresh any more."""
    server.files["/a"] = Served(CONTENT)
    for _ in range(2):
        asyncio.run(get_all(open_cache(fresh_s=0), [server.url("/a")]))
    assert 2 * len(CONTENT) == server.sent


def test_a_known_digest_needs_no_server(server: FileServer, open_cache: OpenCache) -> None:
    """A file whose digest is known is taken wherever it came from, and its URL is not asked."""
    server.files["/a"] = TAGGED
    asyncio.run(get_all(open_cache(), [server.url("/a")]))
    (found,) = asyncio.run(get_all(open_cache(), [server.url("/elsewhere")], sha256=DIGEST.upper()))
    assert (True, DIGEST, 1) == (found.cached, found.sha256, len(server.requests))


def test_other_headers_give_another_file(server: FileServer, open_cache: OpenCache) -> None:
    """What one key opened is not given to who has another one; the files themselves hold no key."""
    server.files["/a"] = TAGGED

    async def ask() -> None:
        async with open_cache() as cache:
            for key in ("s3cret1", "s3cret2", "s3cret1"):
                await cache.get(server.url("/a"), headers={"authorization": key})

    asyncio.run(ask())
    assert ["s3cret1", "s3cret2"] == [each["authorization"] for each in server.asked("/a")]


def test_no_key_is_kept(server: FileServer, open_cache: OpenCache, tmp_path: Path) -> None:
    """Neither headers nor the query of a URL stand in any file or name of the cache, unfinished ones included."""
    server.files["/a"] = TAGGED
    server.files["/b"] = lambda number: replace(TAGGED, stop_after=1000) if number == 0 else Served(status=500)

    async def ask() -> None:
        async with open_cache() as cache:
            await cache.get(server.url("/a?token=s3cret"), headers={"authorization": "s3cret"})
            with pytest.raises(DownloadFailed) as caught:
                await cache.get(server.url("/b?token=s3cret"), headers={"authorization": "s3cret"})
            assert "s3cret" not in f"{caught.value!s} {caught.value!r} {caught.value.to_json()}"

    asyncio.run(ask())
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert len(files) > 3
    assert not [path for path in files if b"s3cret" in path.read_bytes() or "s3cret" in path.name]


def test_the_least_used_files_are_evicted(server: FileServer, open_cache: OpenCache, tmp_path: Path) -> None:
    """Beyond its size the cache removes what was used longest ago; what was used since stays."""
    contents = {f"/{name}": os.urandom(100_000) for name in range(10)}
    server.files |= {path: Served(content, etag='"x"') for path, content in contents.items()}
    digests = [hashlib.sha256(content).hexdigest() for content in contents.values()]

    async def ask() -> list[bool]:
        async with open_cache(max_bytes=500_000) as cache:
            for number in range(10):
                await cache.get(server.url(f"/{number}"))
                oldest = cache.find(digests[0])
                assert oldest is not None
                os.utime(oldest, (time.time() + number, time.time() + number))  # as if it were used
            return [cache.find(digest) is not None for digest in digests]

    there = asyncio.run(ask())
    assert (True, False, True) == (there[0], there[1], there[9])
    assert sum(path.stat().st_size for path in (tmp_path / "cache/files").glob("*/*")) <= 500_000


def test_what_is_held_is_never_evicted(server: FileServer, open_cache: OpenCache) -> None:
    """A file that is held stays, though the cache is too full, and for other processes too; released, it goes."""
    server.files |= {f"/{number}": Served(os.urandom(100_000)) for number in range(5)}

    async def ask() -> None:
        async with open_cache(max_bytes=150_000) as cache, open_cache(max_bytes=150_000) as other:
            with cache.hold() as hold:
                held = await cache.get(server.url("/0"), hold=hold)
                for number in (1, 2, 3):
                    await other.get(server.url(f"/{number}"))
                assert held.path.is_file()
            await other.get(server.url("/4"))
            assert not held.path.is_file()

    asyncio.run(ask())


def test_holds_of_dead_processes_do_not_count(server: FileServer, open_cache: OpenCache, tmp_path: Path) -> None:
    """What a process held that was killed may be evicted, and its notes are removed."""
    server.files |= {f"/{number}": Served(os.urandom(100_000)) for number in range(3)}
    code = FETCH.replace("cache.get(url)", "cache.get(url, hold=cache.hold())").replace(
        ".sha256, flush=True)", ".sha256, flush=True); sys.stdin.readline()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "cache"), server.origin, server.url("/0")]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdout.readline()
    holder.stdin.write("go\n")
    holder.stdin.flush()
    digest = holder.stdout.readline().strip()

    async def ask(path: str) -> bool:
        async with open_cache(max_bytes=150_000) as cache:
            await cache.get(server.url(path))
            return cache.find(digest) is not None

    assert asyncio.run(ask("/1"))
    holder.kill()
    holder.communicate()
    assert not asyncio.run(ask("/2"))
    assert [] == list((tmp_path / "cache/leases").iterdir())


def test_a_check_keeps_files_out(server: FileServer, open_cache: OpenCache, tmp_path: Path) -> None:
    """A file that its asker's check refuses is not kept; one that is there already is not given."""
    server.files["/a"] = TAGGED

    def refuse(path: Path) -> None:
        assert CONTENT == path.read_bytes()
        raise DownloadRefused("not this one")

    for kept in (False, True):
        with pytest.raises(DownloadRefused, match="not this one"):
            asyncio.run(get_all(open_cache(), [server.url("/a")], check=refuse))
        assert kept == any((tmp_path / "cache/files").glob("*/*"))
        asyncio.run(get_all(open_cache(), [server.url("/a")]))
    assert [] == list((tmp_path / "cache/partial").iterdir())


def test_a_limit_holds_for_cached_files_too(server: FileServer, open_cache: OpenCache) -> None:
    """A file that another asker was allowed to fetch is not given to one who may not have so much."""
    server.files["/a"] = TAGGED
    asyncio.run(get_all(open_cache(), [server.url("/a")]))
    with pytest.raises(DownloadRefused, match=r"is larger than 0\.1 MB"):
        asyncio.run(get_all(open_cache(), [server.url("/a")], size_limit=100_000))


@pytest.mark.parametrize("damage", [b"", b"{", b'{"sha256": 7}', b'{"sha256": "x", "size_bytes": 1, "checked_ms": 1}'])
def test_a_damaged_index_is_an_empty_one(
    server: FileServer, open_cache: OpenCache, damage: bytes, tmp_path: Path
) -> None:
    """What is known of a URL and cannot be read is asked for again."""
    server.files["/a"] = TAGGED
    asyncio.run(get_all(open_cache(), [server.url("/a")]))
    (entry,) = (tmp_path / "cache/urls").iterdir()
    entry.write_bytes(damage)
    assert DIGEST == asyncio.run(get_all(open_cache(), [server.url("/a")]))[0].sha256


def test_cached_files_are_not_written_to(server: FileServer, open_cache: OpenCache) -> None:
    """A file in the cache may be linked elsewhere: nobody is let write to it by its mode."""
    server.files["/a"] = TAGGED
    (found,) = asyncio.run(get_all(open_cache(), [server.url("/a")]))
    assert 0o444 == found.path.stat().st_mode & 0o777


@pytest.mark.parametrize("sha256", ["", "abc", "g" * 64, "../" + "a" * 61, DIGEST + "0"])
def test_digests_are_digests(server: FileServer, open_cache: OpenCache, sha256: str) -> None:
    """What is no SHA-256 is refused, and never becomes a path."""
    with pytest.raises(DownloadRefused, match="64 hexadecimal digits"):
        asyncio.run(get_all(open_cache(), [server.url("/a")], sha256=sha256))


def test_a_folder_that_cannot_be_made_is_an_error(server: FileServer, open_cache: OpenCache, tmp_path: Path) -> None:
    """A cache whose folder is a file says so, in our words."""
    server.files["/a"] = TAGGED
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot use"):
        asyncio.run(get_all(open_cache(folder=tmp_path / "file"), [server.url("/a")]))
