"""One thread that owns the database; calls that wait at the same time share one transaction."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from comfypipe.store.connection import Connection, Database
from comfypipe.store.database import Migrations, open_database

T = TypeVar("T")

_TOGETHER = 64
"""How many calls share a transaction at most: enough that a commit costs little, few enough to redo."""


@dataclass(slots=True, eq=False)
class _Call:
    """
    What is to be done, and who waits for it.

    Attributes:
        dropped: Nobody waits any more; it need not be begun.
    """

    function: Callable[[Connection], Any]
    writes: bool
    future: "asyncio.Future[Any]"
    dropped: bool = False
    result: Any = None
    error: BaseException | None = None

    def tell(self) -> None:
        if self.future.done():  # cancelled meanwhile
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class DatabaseWorker:
    """
    Runs functions of a connection in a thread of its own, each in a transaction that is committed when it returns.

    A commit waits for the disk. So that many runs at once do not wait in line for it, all calls that are waiting when
    the thread is free go into one transaction; when one of them fails, each is done again by itself. Functions must
    therefore do nothing but database work.

    Args:
        location: The path of a SQLite file, or a database URL; opened at the first call.
        migrations: What brings its schema up to date.
    """

    def __init__(self, location: Path | str, migrations: Migrations) -> None:
        self._location = location
        self._migrations = migrations
        self._thread: _Thread | None = None

    async def read(self, function: Callable[[Connection], T]) -> T:
        """Return what *function* reads."""
        return await self._call(function, writes=False)

    async def write(self, function: Callable[[Connection], T]) -> T:
        """Return what *function* returns, once what it wrote is safely on the disk."""
        return await self._call(function, writes=True)

    async def close(self) -> None:
        """Finish what waits, and close the database; the next call opens it again."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await thread.end()

    async def _call(self, function: Callable[[Connection], T], *, writes: bool) -> T:
        if self._thread is None:
            self._thread = _Thread(self._location, self._migrations)
        call = _Call(function, writes, asyncio.get_running_loop().create_future())
        self._thread.take(call)
        try:
            result: T = await call.future
        except asyncio.CancelledError:
            call.dropped = True
            raise
        return result


class _Thread:
    """The thread, from the opening of the database to its closing."""

    def __init__(self, location: Path | str, migrations: Migrations) -> None:
        self._location = location
        self._migrations = migrations
        self._database: Database | None = None
        self._connection: Connection | None = None
        self._waiting: deque[_Call | None] = deque()
        self._wake = threading.Semaphore(0)
        # A daemon: a program that was left without closing ends all the same; what was promised is on the disk.
        self._thread = threading.Thread(target=self._work, name=f"comfypipe-{migrations.what}", daemon=True)
        self._thread.start()

    def take(self, call: _Call | None) -> None:
        """Do *call* soon; None is the last one."""
        self._waiting.append(call)
        self._wake.release()

    async def end(self) -> None:
        """Finish what waits, and close the database."""
        self.take(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        going_on = True
        while going_on:
            self._wake.acquire()
            taken, going_on = self._take()
            if taken:
                self._run(taken)
                _tell(taken)
        self._dispose()

    def _take(self) -> tuple[list[_Call], bool]:
        """Return what waits, and whether more may come."""
        taken: list[_Call] = []
        while self._waiting and len(taken) < _TOGETHER:
            call = self._waiting.popleft()
            if call is None:
                return taken, False
            if not call.dropped:
                taken.append(call)
        return taken, True

    def _run(self, calls: Sequence[_Call]) -> None:
        try:
            results = self._transact(calls)
        except BaseException as error:  # noqa: BLE001 - it is raised where the call was made
            if len(calls) == 1:
                calls[0].error = self._explained(error)
                return
            for call in calls:
                self._run([call])
            return
        for call, result in zip(calls, results, strict=True):
            call.result = result

    def _transact(self, calls: Sequence[_Call]) -> list[Any]:
        connection = self._connected()
        try:
            with connection.transaction(writes=any(call.writes for call in calls)):
                return [call.function(connection) for call in calls]
        except BaseException:
            self._connection = None  # whatever is wrong with it, the next call has another one
            connection.close()
            raise

    def _connected(self) -> Connection:
        if self._database is None:
            self._database = open_database(self._location, self._migrations)
        if self._connection is None:
            self._connection = self._database.connect()
        return self._connection

    def _explained(self, error: BaseException) -> BaseException:
        explained = self._database.explain(error, self._migrations.what) if self._database is not None else None
        if explained is None:
            return error
        explained.__cause__ = error
        return explained

    def _dispose(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._database is not None:
            self._database.close()
        self._connection = self._database = None


def _tell(calls: Sequence[_Call]) -> None:
    """Tell those who wait, each loop woken once."""
    for loop in {call.future.get_loop() for call in calls}:
        mine = [call for call in calls if call.future.get_loop() is loop]
        if not loop.is_closed():
            loop.call_soon_threadsafe(_tell_all, mine)


def _tell_all(calls: Sequence[_Call]) -> None:
    for call in calls:
        call.tell()
