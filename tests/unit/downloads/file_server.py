"""A web server that does as it is told: ranges, validators, redirects, and every way to go wrong in the middle."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PIECE_BYTES = 1 << 16


@dataclass(frozen=True)
class Served:
    """
    What a path gives.

    Attributes:
        framing: How the end of the body shows: ``length``, ``chunked`` or ``close``.
        ranges: Whether parts are given.
        stop_after: The connection is closed after so many bytes of the body.
        declared: The length that is told, where it is another one.
    """

    content: bytes = b""
    status: int = 200
    etag: str | None = None
    last_modified: str | None = None
    media_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    framing: str = "length"
    ranges: bool = True
    stop_after: int | None = None
    declared: int | None = None


@dataclass
class FileServer:
    """
    A server on loopback.

    Attributes:
        files: By path what it gives; a function is asked anew for each request, with its number from 0.
        requests: What was asked: path and headers, by lower-case names.
        sent: Bytes of bodies that were sent.
    """

    port: int = 0
    files: dict[str, Served | Callable[[int], Served]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    sent: int = 0
    on_sent: Callable[[int], None] | None = None

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return f"{self.origin}{path}"

    def asked(self, path: str) -> list[dict[str, str]]:
        """Return the headers of all requests of a path."""
        return [headers for asked, headers in self.requests if asked == path]


@contextmanager
def serving(files: Mapping[str, Served | Callable[[int], Served]] | None = None) -> Iterator[FileServer]:
    """Run a server for as long as the block lasts."""
    state = FileServer(files=dict(files or {}))
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            with lock:
                number = len(state.asked(path))
                state.requests.append((path, {name.lower(): value for name, value in self.headers.items()}))
            found = state.files.get(path, Served(b"nothing here", status=404))
            _answer(self, state, found(number) if callable(found) else found)

    class Server(ThreadingHTTPServer):
        def handle_error(self, *args: Any) -> None:
            pass  # clients that go away are what is tested

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(handler: BaseHTTPRequestHandler, state: FileServer, served: Served) -> None:
    asked = {name.lower(): value for name, value in handler.headers.items()}
    if _unchanged(asked, served):
        served = replace(served, content=b"", status=304)
    first = _first(asked, served)
    total = len(served.content)
    headers = {"content-type": served.media_type, **served.headers}
    status = served.status
    if first is not None and first >= total:
        status, first, served = 416, 0, replace(served, content=b"")
        headers["content-range"] = f"bytes */{total}"
    elif first is not None:
        status = 206
        headers["content-range"] = f"bytes {first}-{total - 1}/{total}"
    body = served.content[first or 0 :]
    headers |= {"etag": served.etag} if served.etag else {}
    headers |= {"last-modified": served.last_modified} if served.last_modified else {}
    if served.framing == "length" and status != 304:
        headers["content-length"] = str(len(body) if served.declared is None else served.declared)
    if served.framing == "chunked":
        headers["transfer-encoding"] = "chunked"
    if served.framing == "close":
        headers["connection"] = "close"
    try:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        _send(handler, state, served, body)
    except (BrokenPipeError, ConnectionResetError):
        handler.close_connection = True


def _send(handler: BaseHTTPRequestHandler, state: FileServer, served: Served, body: bytes) -> None:
    view = memoryview(body)[: served.stop_after]
    for begin in range(0, len(view), _PIECE_BYTES):
        piece = view[begin : begin + _PIECE_BYTES]
        handler.wfile.write(b"%x\r\n" % len(piece) if served.framing == "chunked" else b"")
        handler.wfile.write(piece)
        handler.wfile.write(b"\r\n" if served.framing == "chunked" else b"")
        state.sent += len(piece)
        if state.on_sent is not None:
            state.on_sent(state.sent)
    if served.stop_after is not None or served.framing == "close":
        handler.close_connection = True
    elif served.framing == "chunked":
        handler.wfile.write(b"0\r\n\r\n")


def _unchanged(asked: Mapping[str, str], served: Served) -> bool:
    if "if-none-match" in asked:
        return asked["if-none-match"] == served.etag
    return served.last_modified is not None and asked.get("if-modified-since") == served.last_modified


def _first(asked: Mapping[str, str], served: Served) -> int | None:
    """Return the first byte of the part that is asked for; None where the whole is sent."""
    wanted = asked.get("range", "")
    if served.status != 200 or not served.ranges or not wanted.startswith("bytes="):
        return None
    if "if-range" in asked and asked["if-range"] != served.etag:
        return None
    return int(wanted.removeprefix("bytes=").partition("-")[0])
