"""Serving the application on a port."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

import uvicorn
from starlette.types import ASGIApp

from comfypipe.engine.executor import Engine
from comfypipe.engine.server.app import create_app
from comfypipe.engine.server.gathering import gathering_protocol
from comfypipe.engine.server.guard import is_loopback
from comfypipe.engine.server.listening import listen

if TYPE_CHECKING:
    from comfypipe.engine.server.faults.faults import Faults

MAX_FRAME_BYTES = 64 * 1024 * 1024


def serve(
    engine: Engine,
    *,
    host: str = "127.0.0.1",
    port: int = 8188,
    jobs_api: bool = False,
    faults: "Faults | None" = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """
    Serve an engine until it is interrupted (Ctrl-C or SIGTERM).

    Args:
        host: Where to listen. Whoever reaches the port can read and write the engine's folders.
        port: 0 takes a free one.
        faults: Of real servers, to be played; the server then also answers below ``/comfypipe``.
        on_ready: Told the URL once connections are taken.

    Raises:
        BackendUnavailable: The port cannot be had.
    """
    listener = listen(host, port)
    _server(engine, listener, jobs_api, faults, on_ready or _nobody).run(sockets=[listener])


@contextmanager
def serving(engine: Engine, *, jobs_api: bool = False, faults: "Faults | None" = None, port: int = 0) -> Iterator[str]:
    """
    Serve an engine on loopback, from a thread of this process, while the block lasts.

    Args:
        port: 0 takes a free one.

    Yields:
        The URL.
    """
    listener = listen("127.0.0.1", port)
    ready = Event()
    urls: list[str] = []

    def on_ready(url: str) -> None:
        urls.append(url)
        ready.set()

    server = _server(engine, listener, jobs_api, faults, on_ready)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="comfypipe-server", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield urls[0]
    finally:
        server.should_exit = True
        thread.join()


def _server(
    engine: Engine,
    listener: socket.socket,
    jobs_api: bool,
    faults: "Faults | None",
    on_ready: Callable[[str], None],
) -> "uvicorn.Server":
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    app, http = _application(engine, jobs_api, is_loopback(host), faults)
    config = uvicorn.Config(
        app,
        http=http,
        log_level="warning",
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=MAX_FRAME_BYTES,
        timeout_graceful_shutdown=1,
    )
    return _Server(config, lambda: on_ready(url))


def _application(
    engine: Engine, jobs_api: bool, loopback: bool, faults: "Faults | None"
) -> tuple[ASGIApp, type[asyncio.Protocol]]:
    if faults is None:
        return create_app(engine, jobs_api=jobs_api, loopback=loopback), gathering_protocol()
    from comfypipe.engine.server.faults.app import create_faulty_app
    from comfypipe.engine.server.faults.connections import Connections

    connections = Connections()
    app = create_faulty_app(engine, faults, connections, jobs_api=jobs_api, loopback=loopback)
    return app, connections.protocol()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()


def _nobody(_url: str) -> None:
    pass
