"""Statements that follow from the columns of a row."""

from functools import cache

from comfypipe.store.connection import Connection, Values


def insert(connection: Connection, table: str, values: Values) -> None:
    """Add a row."""
    connection.change(_insert(table, tuple(values)), values)


def put(connection: Connection, table: str, key: str, values: Values) -> None:
    """Add a row, in place of the one with the same *key* where there is one."""
    connection.change(_put(table, key, tuple(values)), values)


def update(connection: Connection, table: str, where: Values, changes: Values) -> int:
    """Change the rows that are as *where* says, and return how many there were."""
    statement = _update(table, tuple(where), tuple(changes))
    values = {f"is_{name}": value for name, value in where.items()}
    return connection.change(statement, values | {f"to_{name}": value for name, value in changes.items()})


# Made once for each set of columns. Names of tables and columns are the program's own, never a user's.


@cache
def _insert(table: str, columns: tuple[str, ...]) -> str:
    names, parameters = ", ".join(columns), ", ".join(f":{name}" for name in columns)
    return f"INSERT INTO {table} ({names}) VALUES ({parameters})"  # noqa: S608


@cache
def _put(table: str, key: str, columns: tuple[str, ...]) -> str:
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name != key)
    return f"{_insert(table, columns)} ON CONFLICT ({key}) DO UPDATE SET {changes}"


@cache
def _update(table: str, where: tuple[str, ...], changed: tuple[str, ...]) -> str:
    changes = ", ".join(f"{name} = :to_{name}" for name in changed)
    found = " AND ".join(f"{name} = :is_{name}" for name in where)
    return f"UPDATE {table} SET {changes} WHERE {found}"  # noqa: S608
