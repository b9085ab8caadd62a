"""Gives out the pages: of runs, asked of the API with the key that the user gives; of the API, from its document."""

from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

from comfypipe.reports.assets import one_script, shared_asset
from comfypipe.service.links import BASE_PATH

router = APIRouter(include_in_schema=False)

_SCRIPTS = ("api.js", "forms.js", "runs.js", "main.js")
"""In the order in which they build on each other."""

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@router.get("/")
async def page() -> Response:
    """Return the page of runs."""
    return _given(_asset("index.html"), "text/html")


@router.get(f"{BASE_PATH}/docs")
async def reference() -> Response:
    """Return the page of the API."""
    return _given(_asset("reference.html"), "text/html")


@router.get("/page/page.css")
async def style() -> Response:
    """Return the style of both."""
    return _given(shared_asset("base.css") + _asset("page.css"), "text/css")


@router.get("/page/page.js")
async def script() -> Response:
    """Return the program of the page of runs."""
    return _given(one_script([shared_asset("dom.js"), *map(_asset, _SCRIPTS)]), "text/javascript")


@router.get("/page/reference.js")
async def reference_script() -> Response:
    """Return the program of the page of the API."""
    return _given(one_script([shared_asset("dom.js"), _asset("reference.js")]), "text/javascript")


def _given(text: str, media_type: str) -> Response:
    return Response(text, headers=_HEADERS, media_type=media_type)


def _asset(name: str) -> str:
    return (files("comfypipe.service.pages") / "assets" / name).read_text(encoding="utf-8")
