"""Requests to a server: sent again where that is safe, waited for as long as is asked, and never half-written."""

import asyncio
import io
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.backends.http import HttpServer, Reply, retry_after_s
from comfypipe.backends.receiving import Receiving
from comfypipe.errors import BackendRejected, BackendUnavailable, ProtocolMismatch, UsageError

Answer = httpx.Response | Exception


def server(*answers: Answer, asked: list[httpx.Request] | None = None, limit: int = 1 << 20) -> HttpServer:
    """Return a server that gives these answers, one after the other, the last one for ever."""
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, Exception):
            raise found
        return found

    transport = httpx.MockTransport(answer)
    return HttpServer("http://gpu:8188", transport=transport, max_output_bytes=limit, first_delay_s=0.001)


def request(made: HttpServer, method: str = "GET", **options: object) -> Reply:
    """Send one request."""

    async def ask() -> Reply:
        try:
            return await made.request(method, "/queue", **options)  # type: ignore[arg-type]
        finally:
            await made.close()

    return asyncio.run(ask())


OVERLOADED = [httpx.Response(status, text="<html>") for status in (429, 502, 503, 504)]


@pytest.mark.parametrize("trouble", [*OVERLOADED, httpx.ReadError("reset"), httpx.RemoteProtocolError("incomplete")])
def test_what_passes_is_waited_out(trouble: Answer) -> None:
    """A GET is asked again when the server or a proxy is overloaded, or breaks off."""
    asked: list[httpx.Request] = []
    assert Reply(200, {"a": 1}) == request(server(trouble, trouble, httpx.Response(200, json={"a": 1}), asked=asked))
    assert 3 == len(asked)


@pytest.mark.parametrize("trouble", [*OVERLOADED, httpx.ReadError("reset")])
def test_a_post_is_sent_once(trouble: Answer) -> None:
    """What may have been done is not done again, unless the caller says that it may be."""
    for repeatable, times in ((False, 1), (True, 2)):
        asked: list[httpx.Request] = []
        made = server(trouble, httpx.Response(200), asked=asked)
        if repeatable:
            assert Reply(200, None) == request(made, "POST", repeatable=True)
        else:
            with pytest.raises(BackendUnavailable):
                request(made, "POST")
        assert times == len(asked)


@pytest.mark.parametrize("trouble", [httpx.ConnectError("refused"), httpx.ReadTimeout("late"), httpx.Response(500)])
def test_what_does_not_pass_is_told_at_once(trouble: Answer) -> None:
    """Nobody there, time-outs and the server's own errors are not asked again."""
    asked: list[httpx.Request] = []
    with pytest.raises(BackendUnavailable):
        request(server(trouble, asked=asked))
    assert 1 == len(asked)


def test_who_asks_for_too_long_a_pause_is_left_alone() -> None:
    """More than half a minute is not waited for here: the caller is told how long."""
    with pytest.raises(BackendUnavailable) as caught:
        request(server(httpx.Response(503, headers={"Retry-After": "120"})))
    assert 120 == caught.value.retry_after_s


def test_no_http_is_no_unreachable_server() -> None:
    """What answers in another language is another error than what does not answer."""
    with pytest.raises(ProtocolMismatch, match="does not speak HTTP"):
        request(server(httpx.RemoteProtocolError("illegal status line: bytearray(b'SSH-2.0')")))


def test_a_header_that_cannot_be_sent_is_a_mistake_in_the_settings() -> None:
    """Our own request is wrong, not the server."""
    with pytest.raises(UsageError):
        request(server(httpx.LocalProtocolError("Illegal header value")))


@given(st.text(max_size=20) | st.integers(0, 10**12).map(str) | st.floats().map(str))
def test_any_retry_after_can_be_read(said: str) -> None:
    """Whatever stands there is a number of seconds, or nothing."""
    found = retry_after_s(httpx.Response(503, headers=[(b"Retry-After", said.encode("utf-8"))]))
    assert found is None or found >= 0


def test_retry_after_may_be_a_date() -> None:
    """The other form of RFC 9110 counts from now."""
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    found = retry_after_s(httpx.Response(503, headers={"Retry-After": then}))
    assert found is not None
    assert 95 < found <= 100


# Downloads

CONTENT = bytes(range(256)) * 1000


class Breaking(httpx.AsyncByteStream):
    """A body that breaks off."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204  httpx's own has none either
        yield self._content
        raise httpx.ReadError("reset")


def download(answer: Callable[[httpx.Request], httpx.Response], destination: Path, limit: int = 1 << 20) -> bool:
    """Fetch a file."""

    async def fetch() -> bool:
        transport = httpx.MockTransport(answer)
        made = HttpServer("http://gpu:8188", transport=transport, max_output_bytes=limit, first_delay_s=0.001)
        try:
            return await made.download("/view", {"filename": "a"}, destination)
        finally:
            await made.close()

    return asyncio.run(fetch())


@pytest.mark.parametrize("etag", ['"same"', 'W/"same"', None])
def test_a_broken_download_is_whole_in_the_end(etag: str | None, tmp_path: Path) -> None:
    """The rest is asked for where the server can tell that it is the same file; else all of it."""
    ranges: list[str | None] = []
    headers = {"Content-Length": str(len(CONTENT))} | ({"ETag": etag} if etag else {})

    def answer(request: httpx.Request) -> httpx.Response:
        ranges.append(request.headers.get("range"))
        if len(ranges) == 1:
            return httpx.Response(200, headers=headers, stream=Breaking(CONTENT[:1000]))
        if ranges[-1] is None:
            return httpx.Response(200, headers=headers, content=CONTENT)
        part = CONTENT[1000:]
        place = f"bytes 1000-{len(CONTENT) - 1}/{len(CONTENT)}"
        return httpx.Response(206, headers={"Content-Range": place, "Content-Length": str(len(part))}, content=part)

    assert download(answer, tmp_path / "file")
    assert CONTENT == (tmp_path / "file").read_bytes()
    assert [None, "bytes=1000-" if etag == '"same"' else None] == ranges


def test_a_file_that_changed_meanwhile_is_fetched_anew(tmp_path: Path) -> None:
    """Where the server answers a request for the rest with the whole, what was there is dropped."""
    answers: Iterator[httpx.Response] = iter(
        [
            httpx.Response(200, headers={"ETag": '"a"', "Content-Length": "9"}, stream=Breaking(b"old")),
            httpx.Response(200, headers={"ETag": '"b"'}, content=b"new"),
        ]
    )
    assert download(lambda _: next(answers), tmp_path / "file")
    assert b"new" == (tmp_path / "file").read_bytes()


@pytest.mark.parametrize("headers", [{"Content-Length": "5000"}, {}])
def test_too_large_a_file_is_refused(headers: dict[str, str], tmp_path: Path) -> None:
    """Announced or not, what is larger than it may be is not kept."""
    with pytest.raises(BackendRejected, match="larger than"):
        download(
            lambda _: httpx.Response(200, headers=headers, stream=Breaking(bytes(5000))), tmp_path / "file", limit=4999
        )
    assert [] == list(tmp_path.iterdir())


@given(st.lists(st.integers(0, 400), max_size=6), st.booleans())
def test_whatever_breaks_the_bytes_are_right_or_missing(cuts: Sequence[int], knows_ranges: bool) -> None:
    """After any number of breaks at any place, a file is whole only when every byte of it is right."""
    content = CONTENT[:300]
    file = io.BytesIO()
    receiving = Receiving(file, 1 << 20)

    async def receive() -> None:
        for cut in [*cuts, 400]:
            wanted = receiving.headers().get("Range")
            start = int(wanted[6:-1]) if wanted is not None and knows_ranges else 0
            rest = content[start:]
            headers = {"ETag": '"x"', "Content-Length": str(len(rest))}
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            stream = Breaking(rest[:cut]) if cut < len(rest) else httpx.ByteStream(rest)
            response = httpx.Response(206 if start else 200, headers=headers, stream=stream)
            try:
                await receiving.take(response)
            except httpx.ReadError:
                assert not receiving.whole
            if receiving.whole:
                return

    asyncio.run(receive())
    assert (True, content) == (receiving.whole, file.getvalue())
