"""Servers that tests of the service need beside it."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileHost:
    """
    Files at URLs.

    Attributes:
        origin: ``http://127.0.0.1:PORT``.
        asked: Paths that were asked for, in order.
    """

    origin: str
    files: Mapping[str, bytes]
    asked: list[str] = field(default_factory=list)

    def url(self, path: str) -> str:
        """Return the URL of a file."""
        return f"{self.origin}/{path}"


@contextmanager
def hosting(files: Mapping[str, bytes]) -> Iterator[FileHost]:
    """Serve *files*, by path without a slash, on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0].removeprefix("/")
            host.asked.append(path)
            found = host.files.get(path)
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(found or b"")))
            self.end_headers()
            self.wfile.write(found or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host = FileHost(f"http://127.0.0.1:{server.server_address[1]}", files)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Delivery:
    """A POST that came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """
    Takes webhooks.

    Attributes:
        origin: ``http://127.0.0.1:PORT``.
        deliveries: What came, in order.
        answers: By path, the status to answer in place of 200.
    """

    origin: str
    deliveries: list[Delivery] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, count: int, *, within_s: float = 30.0) -> list[Delivery]:
        """Return what came, once it is so many."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.deliveries) >= count, within_s), self.deliveries
            return list(self.deliveries)


@contextmanager
def taking() -> Iterator[Receiver]:
    """Take webhooks on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:  # the sender was killed amid it: nothing was delivered
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            with receiver.changed:
                receiver.deliveries.append(Delivery(self.path, headers, body))
                receiver.changed.notify_all()
            self.send_response(receiver.answers.get(self.path, 200))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
