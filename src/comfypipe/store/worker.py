"""One thread that owns the database; calls that wait at the same time share one transaction."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from comfypipe.store.connection import Connection, Database
from comfypipe.store.database import Migrations, open_database

T = TypeVar("T")

_TOGETHER = 64
"""How many calls share a transaction at most: enough that a commit costs little, few enough to redo."""


@dataclass(slots=True, eq=False)
class Call:
    """
    What is to be done, and who waits for it.

    Attributes:
        future: None when nobody does.
        after: Must have succeeded; its error is this one's too.
        passable: Reads that go ahead do not wait for it.
        ahead: It needs nothing that is passable.
        dropped: Nobody waits any more; it need not be begun.
        error: Why it failed.
    """

    function: Callable[[Connection], Any]
    writes: bool
    future: "asyncio.Future[Any] | None" = None
    after: "Call | None" = None
    passable: bool = False
    ahead: bool = False
    dropped: bool = False
    result: Any = None
    error: BaseException | None = None

    def run(self, connection: Connection) -> Any:
        """Do it."""
        if self.after is not None and self.after.error is not None:
            raise self.after.error
        return self.function(connection)

    def tell(self) -> None:
        """Tell whoever waits."""
        if self.future is None or self.future.done():  # cancelled meanwhile
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
        soon_s: How long a write that nobody waits for may wait for another one to share a transaction with.
    """

    def __init__(self, location: Path | str, migrations: Migrations, *, soon_s: float = 0.05) -> None:
        self._location = location
        self._migrations = migrations
        self._soon_s = soon_s
        self._thread: _Thread | None = None

    async def read(self, function: Callable[[Connection], T], *, ahead: bool = False) -> T:
        """
        Return what *function* reads.

        Args:
            ahead: It does not look for what is written soon and may be passed, and need not wait for the disk with it.
        """
        result: T = await self._call(Call(function, writes=False, ahead=ahead))
        return result

    async def write(self, function: Callable[[Connection], T], *, after: Call | None = None) -> T:
        """
        Return what *function* returns, once what it wrote is safely on the disk.

        Args:
            after: What `write_soon` gave: when that fails, this raises its error, and writes nothing.
        """
        result: T = await self._call(Call(function, writes=True, after=after))
        return result

    def write_soon(self, function: Callable[[Connection], Any], *, passable: bool = False) -> Call:
        """
        Write with the next call, in the same transaction, or else a moment later; nobody waits for it.

        Calls are done in the order in which they are made, this one too: what comes later sees what it wrote. Whoever
        needs to know that it succeeded gives it to a later `write`.

        Args:
            passable: Reads that go ahead are done before it, and it waits for another call.
        """
        call = Call(function, writes=True, passable=passable)
        self._started().take_soon(call)
        return call

    async def close(self) -> None:
        """Finish what waits, and close the database; the next call opens it again."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await thread.end()

    def _started(self) -> "_Thread":
        if self._thread is None:
            self._thread = _Thread(self._location, self._migrations, self._soon_s)
        return self._thread

    async def _call(self, call: Call) -> Any:
        call.future = asyncio.get_running_loop().create_future()
        self._started().take(call)
        try:
            return await call.future
        except asyncio.CancelledError:
            call.dropped = True
            raise


class _Thread:
    """The thread, from the opening of the database to its closing."""

    def __init__(self, location: Path | str, migrations: Migrations, soon_s: float) -> None:
        self._location = location
        self._migrations = migrations
        self._soon_s = soon_s
        self._database: Database | None = None
        self._connection: Connection | None = None
        self._waiting: deque[Call | None] = deque()
        self._wake: SimpleQueue[None] = SimpleQueue()  # waking costs less than with what `threading` has
        self._soon: asyncio.TimerHandle | None = None
        # A daemon: a program that was left without closing ends all the same; what was promised is on the disk.
        self._thread = threading.Thread(target=self._work, name=f"comfypipe-{migrations.what}", daemon=True)
        self._thread.start()

    def take(self, call: Call | None) -> None:
        """Do *call* soon; None is the last one."""
        self._waiting.append(call)
        # In the loop's next turn: all that is asked for in this one is done together.
        asyncio.get_running_loop().call_soon(self._wake.put, None)

    def take_soon(self, call: Call) -> None:
        """Do *call* with the next one, or in a moment."""
        self._waiting.append(call)
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(self._soon_s, self._no_later)

    def _no_later(self) -> None:
        self._soon = None
        self.take(Call(_nothing, writes=False))  # before which all else is done

    async def end(self) -> None:
        """Finish what waits, and close the database."""
        if self._soon is not None:
            self._soon.cancel()
        self.take(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        going_on = True
        while going_on:
            self._wake.get()
            taken, going_on = self._take()
            if taken:
                self._run(taken)
                _tell(taken)
        self._dispose()

    def _take(self) -> tuple[list[Call], bool]:
        """Return what is to be done now, and whether more may come."""
        taken: list[Call] = []
        while self._waiting and len(taken) < _TOGETHER:
            call = self._waiting.popleft()
            if call is None:
                return taken, False
            if not call.dropped:
                taken.append(call)
        if len(taken) == _TOGETHER:
            self._wake.put(None)  # for the rest
        elif all(call.ahead or call.passable for call in taken):
            self._waiting.extendleft(call for call in reversed(taken) if call.passable)
            taken = [call for call in taken if call.ahead]
        return taken, True

    def _run(self, calls: Sequence[Call]) -> None:
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

    def _transact(self, calls: Sequence[Call]) -> list[Any]:
        connection = self._connected()
        try:
            with connection.transaction(writes=any(call.writes for call in calls)):
                return [call.run(connection) for call in calls]
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


def _nothing(_: Connection) -> None:
    pass


def _tell(calls: Sequence[Call]) -> None:
    """Tell those who wait, each loop woken once."""
    waiting = [call for call in calls if call.future is not None]
    for loop in {_loop_of(call) for call in waiting}:
        mine = [call for call in waiting if _loop_of(call) is loop]
        if not loop.is_closed():
            loop.call_soon_threadsafe(_tell_all, mine)


def _loop_of(call: Call) -> asyncio.AbstractEventLoop:
    assert call.future is not None  # noqa: S101
    return call.future.get_loop()


def _tell_all(calls: Sequence[Call]) -> None:
    for call in calls:
        call.tell()
