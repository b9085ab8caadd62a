"""Serving the application on a port."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import uvicorn

from comfypipe.engine.executor import Engine
from comfypipe.engine.server.app import create_app
from comfypipe.engine.server.guard import is_loopback
from comfypipe.errors import BackendUnavailable

MAX_FRAME_BYTES = 64 * 1024 * 1024


def serve(
    engine: Engine,
    *,
    host: str = "127.0.0.1",
    port: int = 8188,
    jobs_api: bool = False,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """
    Serve an engine until it is interrupted (Ctrl-C or SIGTERM).

    Args:
        host: Where to listen. Whoever reaches the port can read and write the engine's folders.
        port: 0 takes a free one.
        on_ready: Told the URL once connections are taken.

    Raises:
        BackendUnavailable: The port cannot be had.
    """
    listener = _listen(host, port)
    _server(engine, listener, jobs_api, on_ready or _nobody).run(sockets=[listener])


@contextmanager
def serving(engine: Engine, *, jobs_api: bool = False) -> Iterator[str]:
    """
    Serve an engine on a free port of loopback, from a thread of this process, while the block lasts.

    Yields:
        The URL.
    """
    listener = _listen("127.0.0.1", 0)
    ready = Event()
    urls: list[str] = []

    def on_ready(url: str) -> None:
        urls.append(url)
        ready.set()

    server = _server(engine, listener, jobs_api, on_ready)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="comfypipe-server", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield urls[0]
    finally:
        server.should_exit = True
        thread.join()


def _server(
    engine: Engine, listener: socket.socket, jobs_api: bool, on_ready: Callable[[str], None]
) -> "uvicorn.Server":
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    config = uvicorn.Config(
        create_app(engine, jobs_api=jobs_api, loopback=is_loopback(host)),
        log_level="warning",
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=MAX_FRAME_BYTES,
        timeout_graceful_shutdown=1,
    )
    return _Server(config, lambda: on_ready(url))


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # asyncio turns off Nagle's delay (40 ms a reply) only for sockets that say that they are TCP's
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        raise BackendUnavailable(
            f"cannot listen on {host}:{port}: {error.strerror}", hint="take another port: --port 0 finds a free one"
        ) from error
    return listener


def _nobody(_url: str) -> None:
    pass
