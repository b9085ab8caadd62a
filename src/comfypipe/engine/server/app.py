"""The ASGI application."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount

from comfypipe.engine.executor import Engine
from comfypipe.engine.server.guard import Guard
from comfypipe.engine.server.routes import (
    history,
    jobs,
    models,
    object_info,
    prompt,
    queue,
    socket,
    system,
    upload,
    view,
)
from comfypipe.engine.server.state import ServerState


def create_app(
    engine: Engine,
    *,
    jobs_api: bool = False,
    loopback: bool = True,
    state: ServerState | None = None,
    extra_routes: Sequence[BaseRoute] = (),
    extra_middleware: Sequence[Middleware] = (),
) -> Starlette:
    """
    Put an engine behind ComfyUI's protocol; every route is there with the prefix ``/api`` as well.

    Args:
        engine: Runs the prompts, one at a time. Its state (``app.state.server``) lives as long as the application.
        jobs_api: Serve ``/api/jobs`` too, which ComfyUI 0.3.64 does not have.
        loopback: Whether the server can only be reached from this machine; then it must be called by such a name.
        state: What the server knows and does; an ordinary one where nothing is said.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.server.start()
        yield
        app.state.server.close()

    routes = _routes(jobs_api)
    app = Starlette(
        routes=[*extra_routes, *routes, Mount("/api", routes=routes)],
        middleware=[Middleware(Guard, loopback=loopback), *extra_middleware],
        lifespan=lifespan,
    )
    app.state.server = state or ServerState(engine)
    return app


def _routes(jobs_api: bool) -> Sequence[BaseRoute]:
    nouns = (prompt, queue, history, view, upload, object_info, system, models, socket)
    routes: list[BaseRoute] = [route for noun in nouns for route in noun.ROUTES]
    return [*routes, *jobs.ROUTES] if jobs_api else routes
