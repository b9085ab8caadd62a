"""What Prefect's server knows of a flow run."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar, cast
from uuid import UUID

from prefect import Flow, State, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import Artifact, FlowRun

T = TypeVar("T")


async def final_state(flow: Flow[..., Any], **parameters: Any) -> State[Any]:
    """Run a flow in this process and return its final state, whatever it is."""
    # Prefect's types say that the state is there at once; for an async flow it is awaited.
    return await cast("Coroutine[Any, Any, State[Any]]", flow(return_state=True, **parameters))


async def flow_run_of(state: State[Any]) -> FlowRun:
    """Return the flow run that ended in *state*."""
    assert state.state_details.flow_run_id is not None
    async with get_client() as client:
        return await client.read_flow_run(state.state_details.flow_run_id)


async def task_states(flow_run_id: UUID, *, ended: int) -> dict[str, str]:
    """Return by name the state of each task run, once *ended* of them are in a final one: they arrive as events."""

    async def read() -> dict[str, str] | None:
        async with get_client() as client:
            runs = await client.read_task_runs(flow_run_filter=_only(flow_run_id))
        final = {run.name: str(run.state_name) for run in runs if run.state is not None and run.state.is_final()}
        return final if len(final) >= ended else None

    return await eventually(read, what=f"{ended} ended task runs")


async def artifacts(flow_run_id: UUID) -> dict[str, Artifact]:
    """Return by key the Prefect artifacts of a flow run; persisted results, which have no key, are left out."""
    async with get_client() as client:
        wanted = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run_id]))
        return {each.key: each for each in await client.read_artifacts(artifact_filter=wanted) if each.key}


async def eventually(probe: Callable[[], Awaitable[T | None]], *, what: str, timeout_s: float = 60) -> T:
    """Return the first thing that *probe* finds; fails when there is none in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if (found := await probe()) is not None:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"{what}: not within {timeout_s:.0f} s")


def _only(flow_run_id: UUID) -> FlowRunFilter:
    return FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))


async def run_counts(flow_run_id: UUID) -> dict[str, int]:
    """Return by name how often each task run was tried."""
    async with get_client() as client:
        runs = await client.read_task_runs(flow_run_filter=_only(flow_run_id))
    return {run.name: run.run_count for run in runs}
