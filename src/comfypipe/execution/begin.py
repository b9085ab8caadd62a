"""How a run begins: anew, or where an earlier one of the same request was broken off."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from comfypipe._types import JSONObject
from comfypipe.execution.context import Execution, KeyedLocks
from comfypipe.execution.resume import find_unfinished, new_record, request_digest
from comfypipe.plan.steps import Plan
from comfypipe.store.liveness import Owner, is_alive
from comfypipe.store.records import RunRecord

Replan = Callable[[JSONObject], Awaitable[Plan]]
"""Makes the same plan again with the seeds that an earlier run had drawn, as its record has them."""


@dataclass(frozen=True, slots=True)
class Begun:
    """
    A run that is in the ledger, or will be with what is stored of it next, and what it will run.

    Attributes:
        resumed: An earlier process began it.
    """

    plan: Plan
    record: RunRecord
    resumed: bool


class Starter:
    """
    Begins the runs of this process, and knows which of them are being worked on.

    Args:
        locks: Folder of the locks that say which processes are alive.
        same: Locks by name that all who begin runs share.
    """

    def __init__(self, locks: Path, same: KeyedLocks) -> None:
        self._locks = locks
        self._same = same
        self._active: set[str] = set()

    async def begin(self, execution: Execution, plan: Plan, replan: Replan) -> Begun:
        """Begin a run of *plan*, or go on with the one of the same request that did not come to its end."""
        backend = execution.backends.get(execution.backend).url
        request = request_digest(plan, backend, cache=execution.cache, row=execution.row)
        async with self._same.hold(f"request {request}"):
            earlier = await find_unfinished(execution, request, self.is_worked_on)
            if earlier is None:
                return self._new(execution, plan, backend, request, None)
            again = await replan(earlier.seeds)
            if earlier.status != "running":
                return self._new(execution, again, backend, request, earlier)
            adopted = await self.adopt(execution, earlier, again)
            return adopted or self._new(execution, plan, backend, request, None)

    async def adopt(self, execution: Execution, record: RunRecord, plan: Plan) -> Begun | None:
        """Make a run that another process began this one's; None when a third one was faster."""
        self._active.add(record.id)  # first, so that nobody here takes it for abandoned
        owner = self._owner.id
        if not await execution.ledger.adopt_run(record.id, owner=record.owner, by=owner, plan_digest=plan.digest):
            self._active.discard(record.id)
            return None
        return Begun(plan, replace(record, owner=owner, plan_digest=plan.digest), resumed=True)

    def is_worked_on(self, record: RunRecord) -> bool:
        """Return whether a run that has not ended is in somebody's hands: of this process, or of one that lives."""
        if "_owner" in self.__dict__ and record.owner == self._owner.id:
            return record.id in self._active
        return is_alive(self._locks, record.owner)

    @property
    def owner_id(self) -> str:
        """The name under which this process counts as alive."""
        return self._owner.id

    def let_go(self, run_id: str) -> None:
        """Note that this process does not work on a run any more."""
        self._active.discard(run_id)

    def close(self) -> None:
        """Let go of everything."""
        self._active.clear()
        if "_owner" in self.__dict__:
            self._owner.close()
            del self._owner

    def _new(self, execution: Execution, plan: Plan, backend: str, request: str, continued: RunRecord | None) -> Begun:
        owner = self._owner.id
        record = new_record(execution, plan, backend=backend, owner=owner, request=request, continued=continued)
        self._active.add(record.id)
        execution.ledger.add_run_soon(record)  # with its first intent: until then there is nothing to lose
        return Begun(plan, record, resumed=False)

    @cached_property
    def _owner(self) -> Owner:
        return Owner(self._locks)
