"""The service, as routes reach it."""

from starlette.requests import HTTPConnection, Request

from comfypipe.service.service import Service


def service_of(connection: HTTPConnection) -> Service:
    """Return the service that got this request."""
    service: Service = connection.app.state.service
    return service


def base_url(request: Request) -> str:
    """Return what this client calls the service, or what it is to be called: ``https://host``."""
    public_url = service_of(request).parts.settings.public_url
    return public_url or f"{request.url.scheme}://{request.url.netloc}"
