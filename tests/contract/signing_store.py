"""A store of fsspec's kind that signs URLs: files in memory, given out by a server of this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from fsspec import register_implementation  # type: ignore[import-untyped]
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]


class SigningStore(MemoryFileSystem):  # type: ignore[misc]
    """Files in memory, under ``signing://``; its URLs lead to `serving_store`."""

    protocol = "signing"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    def __init__(self, origin: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.origin = origin

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        found: str = MemoryFileSystem._strip_protocol(path.removeprefix("signing:/"))
        return found

    def sign(self, path: str, expiration: int = 100, **_: Any) -> str:
        """Return the URL of a file, which says how long it holds."""
        return f"{self.origin}{self._strip_protocol(path)}?expires={expiration}"


@dataclass
class Served:
    """What was asked for."""

    origin: str
    requests: list[str] = field(default_factory=list)


@contextmanager
def serving_store() -> Iterator[Served]:
    """Give out the files of the store while the block lasts."""
    register_implementation("signing", SigningStore, clobber=True)
    SigningStore.store.clear()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            """Give a file."""
            served.requests.append(self.path)
            found = SigningStore.store.get(unquote(urlsplit(self.path).path))
            self.send_response(200 if found else 404)
            content = found.getvalue() if found else b""
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Served(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
