"""How the store talks to a database: SQL text with ``:name`` parameters, whatever is behind it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

from comfypipe.errors import StoreError

Values: TypeAlias = Mapping[str, Any]
"""Values of parameters by name: text, numbers, booleans, None. JSON is passed as text (`jsontext`)."""


class Connection(Protocol):
    """One connection to a database; used by one thread."""

    def execute(self, sql: str, values: Values | None = None) -> list[dict[str, Any]]:
        """Run a statement and return its rows by column; none for a statement that gives none."""
        ...

    def change(self, sql: str, values: Values | None = None) -> int:
        """Run a statement that changes rows, and return how many there were."""
        ...

    def change_each(self, sql: str, values: Sequence[Values]) -> None:
        """Run a statement that changes rows once for each of *values*."""
        ...

    def transaction(self, *, writes: bool) -> AbstractContextManager[None]:
        """Commit what is done inside when it ends well, undo it when it does not."""
        ...

    def tables(self) -> frozenset[str]:
        """Return the names of the tables that there are."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Database(Protocol):
    """
    Where connections come from.

    Attributes:
        shown: What messages call it: its file, or its URL without secrets.
    """

    @property
    def shown(self) -> str: ...

    def connect(self) -> Connection:
        """Return a new connection, with the settings that make it safe."""
        ...

    def prepare(self) -> None:
        """Make what has to be there before the first connection."""
        ...

    def lock(self) -> AbstractContextManager[None]:
        """Keep other processes from changing the schema at the same time."""
        ...

    def migration_engine(self) -> Any:
        """Return an SQLAlchemy engine that changes of the schema are made with."""
        ...

    def explain(self, error: BaseException, what: str) -> StoreError | None:
        """Return what a fault means to the user, with what to do about it; None for what is no fault of a database."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...
