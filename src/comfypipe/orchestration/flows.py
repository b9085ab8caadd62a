"""A manifest as a Prefect flow, its inputs as the flow's typed parameters."""

import hashlib
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from prefect import Flow, State
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.utilities.callables import get_parameter_defaults

from comfypipe.diagnostics import did_you_mean
from comfypipe.errors import UsageError
from comfypipe.execution.project import Project
from comfypipe.execution.records import Run
from comfypipe.manifest.load import Manifest
from comfypipe.orchestration.parameters import Parameters, parameters
from comfypipe.orchestration.reporting import cancel_flow_run, run_reported
from comfypipe.orchestration.session import Place, layout_of, open_project
from comfypipe.plan.library import load_library

RunFlow = Flow[..., Coroutine[Any, Any, Run]]

LONGEST_NAME = 80


def flow(name: str, project: Place = None, backend: str | None = None, *, preset: str | None = None) -> RunFlow:
    """
    Return an async Prefect flow that runs a workflow or pipeline; its parameters are the manifest's inputs.

    Types, choices, ranges, defaults and descriptions are the manifest's, so that Prefect's form shows and checks them.
    The flow returns the `Run`, or fails with the run's error. Each step is a task run; the steps, the outputs and the
    progress are Prefect artifacts.

    Args:
        name: Of the workflow or pipeline, and of the flow.
        project: The project, or where it is; else the one that the working directory lies in.
        backend: URL or name; else as `Project.run` chooses it.
        preset: The preset whose values are the parameters' defaults.

    Raises:
        ProjectNotFound: There is no project.
        UsageError: There is no such workflow, pipeline or preset.
        ManifestInvalid: The manifest cannot be used.
    """
    layout = layout_of(project)
    place = project if isinstance(project, Project) else layout
    manifest = load_library(layout).manifest(name)
    made = parameters(manifest.spec.inputs, _preset(manifest, preset))

    async def run(**values: Any) -> Run:
        async with open_project(place) as opened:
            given = made.given(values)
            return await run_reported(opened, name, given, preset=preset, backend=backend, step_tasks=True)

    async def cancel(flow: RunFlow, flow_run: FlowRun, state: State) -> None:  # noqa: ARG001 - called by these names
        async with open_project(place) as opened:
            await cancel_flow_run(opened, flow_run.id)

    return Flow(
        _as_function(run, manifest, made),
        name=name,
        description=manifest.spec.description or None,
        version=hashlib.sha256(manifest.path.read_bytes()).hexdigest()[:16],
        flow_run_name=_run_name,
        on_cancellation=[cancel],
    )


async def cancel_runs(flow: Flow[..., Any], flow_run: FlowRun, state: State) -> None:  # noqa: ARG001 - Prefect's names
    """Cancel what a flow run left running: the ``on_cancellation`` hook of flows that are written by hand."""
    async with open_project() as project:
        await cancel_flow_run(project, flow_run.id)


def __getattr__(name: str) -> RunFlow:
    """
    Return the flow of a manifest of the project that the working directory lies in.

    So a deployment needs no Python file: its entrypoint is ``comfypipe.orchestration.flows.NAME``.
    """
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return flow(name)
    except UsageError as error:
        raise AttributeError(str(error)) from error


def _preset(manifest: Manifest, name: str | None) -> Mapping[str, Any] | None:
    presets = manifest.spec.presets
    if name is not None and name not in presets:
        hint = did_you_mean(name, presets) or f"presets are {', '.join(presets)}" if presets else "it has no presets"
        raise UsageError(f'{manifest.name} has no preset "{name}"', hint=hint)
    return presets[name] if name is not None else None


def _as_function(
    function: Callable[..., Coroutine[Any, Any, Run]], manifest: Manifest, made: Parameters
) -> Callable[..., Coroutine[Any, Any, Run]]:
    """Give *function* the looks of one that was written by hand: name, signature and docstring."""
    function.__name__ = function.__qualname__ = manifest.name
    function.__doc__ = made.docstring(manifest.spec.description or f"Run {manifest.name}.")
    function.__annotations__ = made.annotations | {"return": Run}
    function.__signature__ = made.signature.replace(return_annotation=Run)  # type: ignore[attr-defined]
    return function


def _run_name() -> str:
    """Return the flow's name, and what was given that is not the default: enough to tell runs apart in a list."""
    context = FlowRunContext.get()
    if context is None or context.flow is None:
        raise RuntimeError("a flow run is named inside its context")
    defaults = get_parameter_defaults(context.flow.fn)
    given = {name: value for name, value in (context.parameters or {}).items() if value != defaults.get(name)}
    shown = ", ".join(f"{name} {_short(value)}" for name, value in given.items())
    whole = f"{context.flow.name}: {shown}" if shown else context.flow.name
    return whole if len(whole) <= LONGEST_NAME else f"{whole[: LONGEST_NAME - 1]}…"


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} items"
    text = " ".join(str(value).split())
    return text.rsplit("/", 1)[-1] if "/" in text and " " not in text else text
