"""One thread that owns the database; calls that wait at the same time share one transaction."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from comfypipe.store.database import explain, open_database

T = TypeVar("T")

_TOGETHER = 64
"""How many calls share a transaction at most: enough that a commit costs little, few enough to redo."""


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    function: Callable[[sa.Connection], Any]
    writes: bool
    future: "Future[Any]" = field(default_factory=Future)


class DatabaseWorker:
    """
    Runs functions of a connection in a thread of its own, each in a transaction that is committed when it returns.

    A commit waits for the disk. So that many runs at once do not wait in line for it, all calls that are waiting when
    the thread is free go into one transaction; when one of them fails, each is done again by itself. Functions must
    therefore do nothing but database work.

    Args:
        url: Database URL; opened at the first call.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: sa.Engine | None = None
        self._connection: sa.Connection | None = None
        self._waiting: deque[_Call] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="comfypipe-ledger")

    async def read(self, function: Callable[[sa.Connection], T]) -> T:
        """Return what *function* reads."""
        return await self._call(function, writes=False)

    async def write(self, function: Callable[[sa.Connection], T]) -> T:
        """Return what *function* returns, once what it wrote is safely on the disk."""
        return await self._call(function, writes=True)

    async def close(self) -> None:
        """Finish what waits, and close the database."""
        await asyncio.wrap_future(self._thread.submit(self._dispose))
        self._thread.shutdown()

    async def _call(self, function: Callable[[sa.Connection], T], *, writes: bool) -> T:
        call = _Call(function, writes)
        self._waiting.append(call)
        self._thread.submit(self._drain)
        result: T = await asyncio.wrap_future(call.future)
        return result

    def _drain(self) -> None:
        taken: list[_Call] = []
        while self._waiting and len(taken) < _TOGETHER:
            call = self._waiting.popleft()
            if call.future.set_running_or_notify_cancel():
                taken.append(call)
        if taken:
            self._run(taken)

    def _run(self, calls: Sequence[_Call]) -> None:
        try:
            results = self._transact(calls)
        except BaseException as error:  # noqa: BLE001 - it is raised where the call was made
            if len(calls) == 1:
                calls[0].future.set_exception(self._explained(error))
                return
            for call in calls:
                self._run([call])
            return
        for call, result in zip(calls, results, strict=True):
            call.future.set_result(result)

    def _transact(self, calls: Sequence[_Call]) -> list[Any]:
        connection = self._connected()
        connection.execution_options(writes=any(call.writes for call in calls))
        try:
            with connection.begin():
                return [call.function(connection) for call in calls]
        except BaseException:
            self._connection = None  # whatever is wrong with it, the next call has another one
            connection.close()
            raise

    def _connected(self) -> sa.Connection:
        if self._engine is None:
            self._engine = open_database(self._url)
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _explained(self, error: BaseException) -> BaseException:
        if not isinstance(error, DBAPIError) or self._engine is None:
            return error
        explained = explain(error, self._engine.url)
        explained.__cause__ = error
        return explained

    def _dispose(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._engine is not None:
            self._engine.dispose()
        self._connection = self._engine = None
