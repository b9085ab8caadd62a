"""The ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import Scope

from comfypipe.errors import ComfypipeError
from comfypipe.service.bodies import BodyLimits
from comfypipe.service.errors import Problem, problem
from comfypipe.service.keys import Gate, identify
from comfypipe.service.keys.keyring import KeyRing
from comfypipe.service.limits import RateLimiter, rate_of
from comfypipe.service.links import BASE_PATH
from comfypipe.service.loopback import LoopbackOnly
from comfypipe.service.pages import routes as pages
from comfypipe.service.routes import events, files, health, runs, workflows
from comfypipe.service.service import Service, opened
from comfypipe.service.settings import ServiceSettings
from comfypipe.service.webhooks import routes as webhooks

_KINDS = {404: "not-found", 405: "method-not-allowed"}


def create_app(settings: ServiceSettings) -> FastAPI:
    """
    Return the service as an application; it is open while its lifespan lasts.

    ``app.state.service`` is the `Service`, ``app.state.gate`` what requests have to pass.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened(settings) as service:
            app.state.service = service
            app.state.gate = _gate(settings, service)
            yield

    app = FastAPI(
        title="comfypipe",
        summary="Runs of ComfyUI prompts, as ComfyICU's API has them.",
        version="1",
        openapi_url=f"{BASE_PATH}/openapi.json",
        docs_url=None,  # its own would fetch a program from elsewhere, and run it beside the user's key: see `pages`
        redoc_url=None,
        lifespan=lifespan,
    )
    for noun in (workflows, runs, events, files, health, webhooks):
        app.include_router(noun.router, prefix=BASE_PATH)
    app.include_router(health.probes)
    app.include_router(pages.router)
    app.add_middleware(BodyLimits, most_bytes=settings.prompt_bytes, streams=_streams, admit=identify)
    if not settings.authenticate:
        app.add_middleware(LoopbackOnly)
    app.add_exception_handler(Problem, _tell_problem)
    app.add_exception_handler(HTTPException, _tell_http)
    app.add_exception_handler(RequestValidationError, _tell_invalid)
    app.add_exception_handler(ComfypipeError, _tell_fault)
    return app


def _gate(settings: ServiceSettings, service: Service) -> Gate:
    if not settings.authenticate:
        return Gate(None)
    return Gate(KeyRing(service.parts.worker), RateLimiter(rate_of(settings.requests_per_s)))


def _streams(scope: Scope) -> bool:
    """Return whether a request's body is an upload, which its route writes to the disk as it comes."""
    return scope["method"] == "PUT" and str(scope["path"]).startswith(f"{BASE_PATH}/files/")


def _tell_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  registered for this class alone
    return error.response()


def _tell_http(request: Request, error: Exception) -> Response:
    """Tell what the framework itself refuses: a path or a method that there is not."""
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this class alone
    kind = _KINDS.get(error.status_code, "error")
    headers = {"Allow": _methods(request)} if error.status_code == 405 else error.headers
    return problem(error.status_code, kind, str(error.detail), headers=headers)


def _methods(request: Request) -> str:
    """Return all methods of a path: each of its routes knows only its own."""
    paths: dict[str, dict[str, object]] = request.app.openapi()["paths"]
    found = {
        method.upper()
        for path, methods in paths.items()
        if compile_path(path)[0].match(request.url.path)
        for method in methods
    }
    return ", ".join(sorted(found))


def _tell_invalid(_request: Request, error: Exception) -> Response:
    """Tell which parameters are wrong, without repeating what was sent."""
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class alone
    found = [{"at": [str(part) for part in each["loc"]], "message": each["msg"]} for each in error.errors()]
    said = "; ".join(f"{each['at'][-1]}: {each['message']}" for each in found)
    return problem(422, "invalid-request", said, diagnostics=found)


def _tell_fault(_request: Request, error: Exception) -> Response:
    """Tell that something of ours cannot be used, such as the disk: to come back may help."""
    assert isinstance(error, ComfypipeError)  # noqa: S101  registered for this class alone
    return problem(503, "unavailable", error.message, headers={"Retry-After": "5"})
