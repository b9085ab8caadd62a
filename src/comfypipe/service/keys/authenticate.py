"""Who sends a request: its key is looked at before anything else of it."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from starlette.types import Scope

from comfypipe.service.errors import Problem
from comfypipe.service.keys.keyring import KeyRing
from comfypipe.service.limits import ADDRESS_RATE, RateLimiter, too_many
from comfypipe.service.principal import LOCAL, Principal

_bearer = HTTPBearer(auto_error=False, scheme_name="API key", description="`Authorization: Bearer cpk_…`")


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """
    What requests have to pass; the application keeps it as ``app.state.gate``.

    Attributes:
        keyring: Finds out whose a key is; None where no key is asked for.
        keys: How often each key may ask.
        addresses: How often each address may ask without a key that is right.
    """

    keyring: KeyRing | None
    keys: RateLimiter = field(default_factory=lambda: RateLimiter(None))
    addresses: RateLimiter = field(default_factory=lambda: RateLimiter(ADDRESS_RATE))

    async def pass_through(self, key: str | None, address: str) -> Principal:
        """
        Return who asks.

        Raises:
            Problem: 401 for a key that is missing or not right, whatever is wrong with it; 429 for one that asks too
                often, and for an address that has tried too many.
        """
        if self.keyring is None:
            return LOCAL
        principal = await self.keyring.identify(key) if key else None
        if principal is None:
            # A key that is right is let through whoever else shares its address: behind a proxy, everybody does.
            wait_s = self.addresses.take(address)
            raise too_many(wait_s) if wait_s else _unauthorized(missing=not key)
        if principal.key_id is not None and (wait_s := self.keys.take(principal.key_id)):
            raise too_many(wait_s)
        return principal


async def principal(
    request: Request,
    scopes: SecurityScopes,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Principal:
    """
    Return who sent *request*: for ``Depends(principal)``.

    Raises:
        Problem: 401, 403 or 429.
    """
    gate: Gate = request.app.state.gate
    found = await gate.pass_through(credentials.credentials if credentials else None, client_address(request))
    if missing := [each for each in scopes.scopes if each not in found.scopes]:
        raise Problem(403, "forbidden", f"this key lacks the scope {missing[0]}")
    return found


async def identify(scope: Scope) -> Principal:
    """
    Return who sends a request whose body is not read yet.

    Raises:
        Problem: 401 or 429.
    """
    request = Request(scope)
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    gate: Gate = request.app.state.gate
    return await gate.pass_through(key if kind.lower() == "bearer" else None, client_address(request))


def allowed(*scopes: str) -> Any:
    """Return the dependency of a route that needs these scopes: its value is the `Principal`."""
    return Security(principal, scopes=scopes)


def client_address(request: Request) -> str:
    """Return where a request comes from, as the connection says it; never a header, which anybody can write."""
    return request.client.host if request.client else "unknown"


def _unauthorized(*, missing: bool) -> Problem:
    message = "an API key is needed: Authorization: Bearer cpk_…" if missing else "this API key is not valid"
    return Problem(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})
