"""Going on where an earlier run of the same request was broken off."""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from importlib.metadata import version

from comfypipe._types import JSONObject
from comfypipe.execution.context import Execution, now_ms
from comfypipe.execution.values import identity_of, value_to_json
from comfypipe.plan.steps import Plan
from comfypipe.store.ids import new_run_id
from comfypipe.store.records import RunRecord

IsAlive = Callable[[RunRecord], bool]


def request_digest(plan: Plan, backend: str, *, cache: bool, row: tuple[str, str] | None = None) -> str:
    """
    Return what a request has in common with the same one made again: SHA-256, as hex.

    Drawn seeds are no part of it, the content of given files is. Nor are the workflow's templates: when one was mended
    after a run had failed, the next run goes on with the same seeds, and with those jobs that did not change.

    Args:
        row: The batch, and the key of the row, that is run: rows that only differ in their seeds are told apart.
    """
    asked = {name: identity_of(value) for name, value in plan.inputs.items() if name not in plan.drawn}
    request = {"name": plan.name, "inputs": asked, "drawn": sorted(plan.drawn), "backend": backend, "cache": cache}
    if row is not None:
        request["row"] = list(row)
    return hashlib.sha256(_SORTED.encode(request).encode()).hexdigest()


_SORTED = json.JSONEncoder(sort_keys=True)


async def find_unfinished(execution: Execution, digest: str, is_alive: IsAlive) -> RunRecord | None:
    """
    Return the run to go on with: the newest of this request that did not complete and that nobody works on.

    That is one whose process died, was cancelled, or failed (where results may be taken over at all). When a newer one
    completed there is nothing to go on with.
    """
    found = await execution.ledger.runs_of_request(digest)
    continued = {run.continues for run in found}
    for run in found:
        if run.status == "completed" or (run.status == "failed" and not execution.cache):
            return None
        if run.id not in continued and (run.status != "running" or not is_alive(run)):
            return run
    return None


def seeds_of(plan: Plan) -> JSONObject:
    """Return what was drawn for a plan, as the ledger keeps it."""
    return {"inputs": {name: plan.inputs[name] for name in plan.drawn}, "steps": plan.seed}


def new_record(
    execution: Execution, plan: Plan, *, backend: str, owner: str, request: str, continued: RunRecord | None = None
) -> RunRecord:
    """
    Return the record of a run that begins now.

    Args:
        request: Its `request_digest`.
        continued: The run that it goes on with, when that one has ended.
    """
    run_id = new_run_id(now_ms())
    return RunRecord(
        id=run_id,
        name=plan.name,
        kind=plan.kind,
        plan_digest=plan.digest,
        request_digest=request,
        origin=continued.origin if continued else run_id,
        continues=continued.id if continued else None,
        owner=owner,
        backend=backend,
        created_ms=now_ms(),
        version=_version(),
        inputs={name: value_to_json(value, execution.layout) for name, value in plan.inputs.items()},
        seeds=continued.seeds if continued else seeds_of(plan),
        batch_id=execution.batch_id,
        row_key=execution.row_key,
    )


@cache
def _version() -> str:
    return version("comfypipe")  # reads a file
