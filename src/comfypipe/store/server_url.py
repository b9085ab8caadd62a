"""URLs of PostgreSQL databases, as people write them, and what its driver takes."""

import ssl
from importlib.util import find_spec
from typing import Any

import sqlalchemy as sa

from comfypipe.errors import LedgerUnusable, StoreError

_DRIVER = "postgresql+pg8000"
_SCHEMES = ("postgresql", "postgres", _DRIVER)
_AS_THEY_ARE = frozenset({"unix_sock", "application_name"})
_TLS = ("disable", "prefer", "require", "verify-full")


def read_url(text: str) -> tuple[sa.URL, dict[str, Any]]:
    """
    Return a URL as SQLAlchemy takes it, and what the driver is told besides.

    Raises:
        LedgerUnusable: It is no URL of a database that is known to work.
        StoreError: The driver is not installed.
    """
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError) as error:
        # not the URL itself: it may hold a password
        raise LedgerUnusable("the URL of the database cannot be read", hint=_WRITE) from error
    if url.drivername not in _SCHEMES:
        raise LedgerUnusable(f'there is no way to a database of "{url.drivername}"', hint=_WRITE)
    if find_spec("pg8000") is None:
        raise StoreError(
            "a database on a PostgreSQL server needs pg8000, which is not installed",
            hint='install it with comfypipe: pip install "comfypipe[postgres]"',
        )
    return url.set(drivername=_DRIVER).difference_update_query(["sslmode"]), _options(url)


def _options(url: sa.URL) -> dict[str, Any]:
    """Return the driver's arguments for the part of the URL behind the question mark."""
    unknown = set(url.query) - _AS_THEY_ARE - {"sslmode"}
    if unknown:
        raise LedgerUnusable(
            f"the database's URL has what is not known: {', '.join(sorted(unknown))}",
            hint="known are sslmode, unix_sock and application_name",
        )
    mode = url.query.get("sslmode", "prefer")
    if mode not in _TLS:
        raise LedgerUnusable(f'sslmode cannot be "{mode}"', hint=f"take one of {', '.join(_TLS)}")
    return {"ssl_context": _tls(str(mode))}


def _tls(mode: str) -> ssl.SSLContext | bool | None:
    """Return what pg8000 calls a mode: None where TLS is taken if it is offered, True where nobody is verified."""
    if mode == "verify-full":
        return ssl.create_default_context()
    return {"disable": False, "prefer": None, "require": True}[mode]


_WRITE = "write sqlite:///relative/path, sqlite:////absolute/path, or postgresql://user:password@host/database"
