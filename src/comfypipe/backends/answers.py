"""One answer of an HTTP/1.1 server, taken apart as it comes."""

from collections import deque
from typing import Any

import httptools
import httpx

_HEAD_BYTES = 100_000
"""More than any head has: what goes on for longer is no answer."""

_INTERIM = range(100, 200)
_NO_ANSWER = "Server disconnected without sending a response."
_CUT_OFF = "peer closed connection without sending complete message body (incomplete answer)"


class Answer:
    """
    What has come of an answer.

    Attributes:
        status: Its status, once `has_head`.
        headers: As they came.
        parts: What came of the body and was not taken yet.
        complete: All of it has come.
        kept_alive: The server takes another request on this connection.
        failure: What is wrong with it; what came before stays.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.parts: deque[bytes] = deque()
        self.has_head = False
        self.complete = False
        self.kept_alive = False
        self.failure: httpx.TransportError | None = None
        self._reason = b""
        self._head_bytes = 0
        self._parser: Any = httptools.HttpResponseParser(self)

    @property
    def extensions(self) -> dict[str, bytes]:
        """What httpx wants to know besides."""
        return {"http_version": b"HTTP/" + self._parser.get_http_version().encode(), "reason_phrase": self._reason}

    def feed(self, data: bytes) -> None:
        """Take in what came."""
        if self.complete:
            self.kept_alive = False  # more than an answer: whoever sends it is out of step
            return
        if not self.has_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.complete:
                what = "a body that is none" if self.has_head else "illegal status line or header"
                self.failure = httpx.RemoteProtocolError(f"{what}: {error}")
        if not self.has_head and self._head_bytes > _HEAD_BYTES:
            self.failure = httpx.RemoteProtocolError("the headers do not end")

    def end(self, broken: Exception | None) -> None:
        """Note that no more comes; *broken* is why, where that is not in order."""
        if self.complete or self.failure is not None:
            return
        if broken is not None:
            self.failure = httpx.ReadError(str(broken))
        elif not self.has_head:
            self.failure = httpx.RemoteProtocolError(_NO_ANSWER)
        elif self._has_end():
            self.failure = httpx.RemoteProtocolError(_CUT_OFF)
        else:
            self.complete = True  # a body that goes on until the connection ends

    def _has_end(self) -> bool:
        return any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self.headers)

    # What the parser tells

    def on_message_begin(self) -> None:
        """Note that an answer begins, be it one that nobody asked for."""
        self.kept_alive = False

    def on_status(self, reason: bytes) -> None:
        """Note the words behind the status."""
        if not self.has_head:
            self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header, or what follows a body in pieces."""
        if not self.has_head:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Note the end of the head, unless the answer proper is still to come."""
        if not self.complete:
            self.status = self._parser.get_status_code()
            self.has_head = self.status not in _INTERIM

    def on_body(self, part: bytes) -> None:
        """Keep a part of the body."""
        if not self.complete:
            self.parts.append(part)

    def on_message_complete(self) -> None:
        """Note the end, or begin with the answer proper."""
        if self.complete:
            return
        if self.has_head:
            self.complete, self.kept_alive = True, self._parser.should_keep_alive()
        else:
            self.headers, self._reason = [], b""
