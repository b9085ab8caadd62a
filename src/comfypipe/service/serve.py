"""Serving the application on a port."""

import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from threading import Event, Thread

import uvicorn

from comfypipe.engine.server.guard import is_loopback
from comfypipe.engine.server.listening import listen
from comfypipe.errors import UsageError
from comfypipe.service.app import create_app
from comfypipe.service.reading import SmallReads
from comfypipe.service.settings import ServiceSettings

_CLOSING_S = 3
"""How long connections may go on when the service ends: streams of events would never end by themselves."""


def serve(
    settings: ServiceSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """
    Serve until interrupted (Ctrl-C or SIGTERM).

    Args:
        port: 0 takes a free one.
        on_ready: Told the URL once connections are taken.

    Raises:
        UsageError: Without keys it may only listen on loopback; or another process serves from the same folder.
        BackendUnavailable: The port cannot be had.
        StoreError: The database or the folder cannot be used.
    """
    check_host(settings, host)
    listener = listen(host, port)
    server = _Server(settings, listener, on_ready or _nobody)
    try:
        server.run(sockets=[listener])
    finally:
        listener.close()


@contextmanager
def serving(settings: ServiceSettings, *, port: int = 0) -> Iterator[str]:
    """
    Serve on loopback, from a thread of this process, while the block lasts.

    Args:
        port: 0 takes a free one.

    Yields:
        The URL, without a path.
    """
    listener = listen("127.0.0.1", port)
    ready = Event()
    server = _Server(settings, listener, lambda _: ready.set())
    thread = Thread(target=server.run_to_end, args=(ready,), name="comfypipe-service", daemon=True)
    thread.start()
    ready.wait()
    try:
        if server.failure is not None:
            raise server.failure
        yield server.url
    finally:
        server.should_exit = True
        thread.join()


def check_host(settings: ServiceSettings, host: str) -> None:
    """
    Make sure that a service without keys is only reached from its own machine.

    Raises:
        UsageError: It would be reached from others.
    """
    if not settings.authenticate and not is_loopback(host):
        raise UsageError(
            f"without keys, anybody who reaches {host} could run anything: --no-auth is for loopback alone",
            hint="leave --host at 127.0.0.1, or make a key: comfypipe keys create",
        )


class _Server(uvicorn.Server):
    """
    A server that tells when it is ready.

    It opens and closes the application itself: as a lifespan of uvicorn's, what goes wrong there would be logged with
    all its frames, and the process ended with a status of uvicorn's.

    Attributes:
        failure: Why it did not start, when it runs in a thread.
    """

    def __init__(self, settings: ServiceSettings, listener: socket.socket, on_ready: Callable[[str], None]) -> None:
        self._app = create_app(settings)
        self._open = AsyncExitStack()
        super().__init__(
            uvicorn.Config(
                self._app,
                lifespan="off",
                http=SmallReads,
                log_level="warning",
                access_log=False,
                ws="none",
                timeout_graceful_shutdown=_CLOSING_S,
                server_header=False,
            )
        )
        host, port = listener.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self.failure: BaseException | None = None
        self._listener = listener
        self._on_ready = on_ready

    def run_to_end(self, ended: Event) -> None:
        """Serve in this thread; *ended* is set when that is over, however it ends."""
        try:
            self.run(sockets=[self._listener])
        except Exception as error:  # noqa: BLE001  raised where somebody waits for the server
            self.failure = error
        finally:
            self._listener.close()
            ended.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self._open.enter_async_context(self._app.router.lifespan_context(self._app))
        await super().startup(sockets)
        self._on_ready(self.url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        if not self.force_exit:
            await self._open.aclose()


def _nobody(_url: str) -> None:
    pass
