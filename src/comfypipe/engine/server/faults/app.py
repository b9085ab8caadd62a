"""The application of a server that plays faults."""

import shutil
from time import monotonic

from starlette.applications import Starlette
from starlette.middleware import Middleware

from comfypipe.engine.executor import Engine
from comfypipe.engine.server.app import create_app
from comfypipe.engine.server.faults.connections import Connections, Links
from comfypipe.engine.server.faults.control import ROUTES
from comfypipe.engine.server.faults.faults import Faults
from comfypipe.engine.server.faults.gate import Gate, Wire
from comfypipe.engine.server.faults.state import FaultyState


def create_faulty_app(
    engine: Engine, faults: Faults, connections: Connections, *, jobs_api: bool = False, loopback: bool = True
) -> Starlette:
    """
    Put an engine behind ComfyUI's protocol, with faults; an ordinary server (`create_app`) has nothing of this in it.

    Args:
        connections: Filled by the server that runs the application (`Connections.protocol`).
    """
    lives = _Lives(engine, faults, Wire(connections, Links(connections)))
    app = create_app(
        engine,
        jobs_api=jobs_api,
        loopback=loopback,
        state=lives.begin(),
        extra_routes=ROUTES,
        extra_middleware=[Middleware(Gate, faults=faults, wire=lives.wire)],
    )
    app.state.faults = faults
    app.state.restart = lives.restart
    lives.app = app
    return app


class _Lives:
    """Replaces the state of an application where a real server would be started anew."""

    def __init__(self, engine: Engine, faults: Faults, wire: Wire) -> None:
        self.engine = engine
        self.wire = wire
        self.app: Starlette | None = None
        self._faults = faults

    def begin(self) -> FaultyState:
        """Return the state of a server that has done nothing yet."""
        return FaultyState(self.engine, self._faults, self.wire.links, self.restart)

    def restart(self, down_ms: int = 0) -> None:
        """End one life and begin another; call it in the event loop."""
        assert self.app is not None  # noqa: S101  it is set before anybody can call
        self._faults.executions.next_life()
        self.app.state.server.forget()
        self.engine.cache.clear()
        shutil.rmtree(self.engine.folders.temp, ignore_errors=True)
        self.wire.down_until = monotonic() + down_ms / 1000
        self.wire.links.break_off()
        state = self.begin()
        self.app.state.server = state
        state.start()
