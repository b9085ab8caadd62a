"""Answers of HTTP servers, in whatever pieces they come."""

from dataclasses import dataclass
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.backends.answers import Answer

BODY = b"0123456789"
PLAIN = b"HTTP/1.1 200 Fine\r\nContent-Length: 10\r\nX-One: 1\r\n\r\n" + BODY
CHUNKED = b"HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n456789\r\n0\r\nX-After: 1\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\nX-Not: 1\r\n\r\n" + PLAIN
ENDLESS = b"HTTP/1.1 200 Fine\r\nConnection: close\r\n\r\n" + BODY


@dataclass(frozen=True)
class Seen:
    """What an answer came to."""

    status: int
    reason: bytes
    headers: int
    body: bytes
    complete: bool
    kept_alive: bool


def seen(*pieces: bytes, ended: bool = False) -> Seen:
    """Return what came of these pieces, and of the connection's end where it has *ended*."""
    answer = Answer()
    for piece in pieces:
        answer.feed(piece)
    if ended:
        answer.end(None)
    assert answer.failure is None
    reason = answer.extensions["reason_phrase"]
    return Seen(answer.status, reason, len(answer.headers), b"".join(answer.parts), answer.complete, answer.kept_alive)


@given(st.sampled_from([PLAIN, CHUNKED, INTERIM]), st.sets(st.integers(1, 100)))
def test_where_an_answer_is_cut_makes_no_difference(text: bytes, cuts: set[int]) -> None:
    """In any pieces it is the same answer, whole, and the connection can be used again."""
    places = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    pieces = [text[start:end] for start, end in pairwise(places)]
    expected = Seen(200, b"Fine", 1 if text == CHUNKED else 2, BODY, complete=True, kept_alive=True)
    assert expected == seen(*pieces)


@pytest.mark.parametrize("more", [b"x", PLAIN, b"\0"])
def test_more_than_an_answer_ends_the_connection(more: bytes) -> None:
    """The answer is whole; what came behind it belongs to nobody, and the next request gets another connection."""
    expected = Seen(200, b"Fine", 2, BODY, complete=True, kept_alive=False)
    assert [expected] * 2 == [seen(PLAIN + more), seen(PLAIN, more)]


def test_a_body_may_go_on_until_the_connection_ends() -> None:
    """Without a length the end of the connection is the end of the body."""
    expected = Seen(200, b"Fine", 1, BODY, complete=True, kept_alive=False)
    assert expected == seen(ENDLESS, ended=True)


@given(st.sampled_from([PLAIN, CHUNKED, INTERIM]), st.data())
def test_a_part_of_an_answer_is_no_answer(text: bytes, data: st.DataObject) -> None:
    """Cut off anywhere, it is an error, never a shorter body."""
    answer = Answer()
    answer.feed(text[: data.draw(st.integers(0, len(text) - 1))])
    answer.end(None)
    assert isinstance(answer.failure, httpx.RemoteProtocolError)
    assert not answer.complete


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "illegal status line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab", "illegal status line or header"),
        (b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "illegal"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "a body that is none"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "do not end"),
    ],
)
def test_what_is_no_answer_says_so(text: bytes, words: str) -> None:
    """Another protocol, contradictions and endless headers are told from a server that went away."""
    answer = Answer()
    answer.feed(text)
    assert words in str(answer.failure)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail_otherwise(data: bytes) -> None:
    """Whatever comes, it is an answer, a part of one, or none; nothing is raised."""
    answer = Answer()
    answer.feed(b"HTTP/1.1 200 OK\r\n" + data)
    answer.feed(data)
    answer.end(ConnectionResetError("reset"))
    assert answer.complete or isinstance(answer.failure, httpx.TransportError)
