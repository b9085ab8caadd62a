"""A database at a URL, such as PostgreSQL, through SQLAlchemy: imported only by those who have one."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from comfypipe.errors import StoreError
from comfypipe.store.connection import Values

_text = cache(sa.text)
"""Statements are parsed once; their texts are constants of the program."""


class ServerConnection:
    """A connection to a database server."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, values: Values | None = None) -> list[dict[str, Any]]:
        result = self._connection.execute(_text(sql), values)
        return [dict(row) for row in result.mappings()] if result.returns_rows else []

    def change(self, sql: str, values: Values | None = None) -> int:
        return self._connection.execute(_text(sql), values).rowcount

    def change_each(self, sql: str, values: Sequence[Values]) -> None:
        self._connection.execute(_text(sql), values)

    def transaction(self, *, writes: bool) -> AbstractContextManager[Any]:  # noqa: ARG002 - a server needs no telling
        return self._connection.begin()

    def tables(self) -> frozenset[str]:
        found = frozenset(sa.inspect(self._connection).get_table_names())
        self._connection.rollback()  # looking has begun a transaction
        return found

    def close(self) -> None:
        self._connection.close()


class ServerDatabase:
    """
    A database at a URL.

    Args:
        url: As SQLAlchemy takes it.
    """

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url, pool_size=1, pool_pre_ping=True)

    @property
    def shown(self) -> str:
        return self._engine.url.render_as_string(hide_password=True)

    def connect(self) -> ServerConnection:
        return ServerConnection(self._engine.connect())

    def prepare(self) -> None:
        """Make nothing: databases are made by those who run the server."""

    def lock(self) -> AbstractContextManager[None]:
        return nullcontext()

    def migration_engine(self) -> sa.Engine:
        return self._engine

    def explain(self, error: BaseException, what: str) -> StoreError | None:
        if not isinstance(error, DBAPIError):
            return None
        return StoreError(f"the {what} at {self.shown} failed: {error.orig}")

    def close(self) -> None:
        self._engine.dispose()
