"""Making room: old runs are forgotten, and stored files that nothing refers to any more removed."""

import asyncio
from dataclasses import dataclass

from comfypipe.execution.context import now_ms
from comfypipe.execution.project import Project
from comfypipe.store.pruning import remove_others


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, or would be."""

    runs: int
    files: int
    size_bytes: int


async def prune(
    project: Project, *, older_than_s: float, name: str | None = None, status: str | None = None, really: bool = True
) -> Pruned:
    """
    Forget the ended runs that began so long ago, and remove the files that no other run speaks of.

    Runs that go on stay, and so do files of the last hour: somebody may be about to record them.

    Args:
        name: Only runs of this workflow or pipeline.
        status: Only runs that ended so.
        really: Without it nothing is removed, only counted.

    Raises:
        StoreError: The ledger or the store cannot be used; what was removed until then is removed.
    """
    pruning = project.ledger.pruning
    old = await pruning.old_runs(before_ms=now_ms() - int(older_than_s * 1000), name=name, status=status)
    wanted = await pruning.referred_to(without=frozenset(old))
    if really:
        await pruning.forget(old)
    removed = await asyncio.to_thread(remove_others, project.layout.artifacts, wanted, really=really)
    return Pruned(len(old), *removed)
