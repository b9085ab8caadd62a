"""``comfypipe batch``: a workflow or pipeline, once for each row; resumed, watched, cancelled."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from comfypipe.cli.batch_view import following
from comfypipe.cli.console import Console, columns, plural
from comfypipe.cli.durations import parse_duration, short_duration
from comfypipe.cli.given import given_inputs
from comfypipe.cli.options import AsJson, Backend, Inputs, InputsFile, Preset, ProjectFolder, Quiet
from comfypipe.errors import UsageError
from comfypipe.exit_status import ExitStatus

if TYPE_CHECKING:
    from comfypipe.batch.batch import Batch, Outcome
    from comfypipe.batch.limits import Limits
    from comfypipe.batch.request import BatchRequest
    from comfypipe.batch.tally import Tally
    from comfypipe.execution.project import Project


class _RunByDefault(TyperGroup):
    """``comfypipe batch NAME …`` is ``comfypipe batch run NAME …``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "-h", "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


BatchId = Annotated[str, typer.Argument(metavar="ID", help="A batch's id, its beginning, or `latest`.")]
MaxFailures = Annotated[
    int | None, typer.Option("--max-failures", min=1, help="Stop after so many failed rows.", show_default=False)
]
MaxRuns = Annotated[int | None, typer.Option("--max-runs", min=1, help="Begin so many rows now.", show_default=False)]
MaxTime = Annotated[
    str | None,
    typer.Option("--max-time", metavar="TIME", help="Begin no row after 90s, 5m, 2h.", show_default=False),
]
MaxCost = Annotated[
    float | None,
    typer.Option("--max-cost", min=0, help="Stop before the batch costs more, by the prices set.", show_default=False),
]
Concurrency = Annotated[
    int | None,
    typer.Option("--concurrency", "-c", min=1, help="Rows at once; default: as servers need.", show_default=False),
]

group = typer.Typer(
    cls=_RunByDefault,
    help="Run a workflow or pipeline for each row of a file, or each point of a sweep: batch NAME ROWS …",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@group.command("run")
def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A workflow or pipeline.")],
    rows: Annotated[
        Path | None,
        typer.Argument(metavar="ROWS", help="A .csv, .tsv, .jsonl or .parquet file.", show_default=False),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUES", help="Values of an input: 10,20,30 or 4:8:2; repeat it.", show_default=False
        ),
    ] = None,
    zipped: Annotated[bool, typer.Option("--zip", help="Sweeps change together, not each with every other.")] = False,
    repeat: Annotated[int, typer.Option(min=1, help="Run each row so often, with other seeds.")] = 1,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="COLUMN=INPUT", help="Which column is which input.", show_default=False),
    ] = None,
    allow_extra: Annotated[bool, typer.Option("--allow-extra", help="Columns may be no inputs.")] = False,
    skip_invalid: Annotated[bool, typer.Option("--skip-invalid", help="Run the rows that are fine.")] = False,
    inputs: Inputs = None,
    inputs_file: InputsFile = None,
    preset: Preset = None,
    backend: Backend = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Outputs and results; default: outputs/NAME-ID.", show_default=False),
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(metavar="TEMPLATE", help='Names of outputs: "{row.sku}_{input.seed}.png".', show_default=False),
    ] = None,
    results: Annotated[str, typer.Option(metavar="FORMAT", help="parquet: results.parquet too.")] = "jsonl",
    cache: Annotated[bool, typer.Option(help="Take stored outputs of the same plan.")] = True,
    concurrency: Concurrency = None,
    max_failures: MaxFailures = None,
    max_runs: MaxRuns = None,
    max_time: MaxTime = None,
    max_cost: MaxCost = None,
    new: Annotated[bool, typer.Option("--new", help="Begin a new batch, not go on with the same one.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and what it takes.")] = False,
    project: ProjectFolder = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> int:
    """
    Run a workflow or pipeline for each row.

    The same command again does only what is missing. Ctrl-C finishes what is in flight; a second one cancels it.
    """
    from comfypipe.batch.columns import parse_columns
    from comfypipe.batch.limits import Limits
    from comfypipe.batch.request import BatchRequest

    if results not in ("jsonl", "parquet"):
        raise UsageError(f'"{results}" is no format of results', hint="it is jsonl or parquet")
    request = BatchRequest(
        name=name,
        rows=rows.absolute() if rows is not None else None,
        sweep=tuple(sweep or ()),
        zipped=zipped,
        repeat=repeat,
        columns=parse_columns(mapping or ()),
        allow_extra=allow_extra,
        inputs=given_inputs(inputs, inputs_file),
        preset=preset,
        backend=backend,
        cache=cache,
        skip_invalid=skip_invalid,
        out=out.absolute() if out is not None else None,
        names=names,
        results="parquet" if results == "parquet" else "jsonl",
    )
    limits = Limits(concurrency, max_failures, max_runs, _seconds(max_time), max_cost)
    console = Console(as_json=as_json, quiet=quiet)
    if dry_run:
        return _in_project(project, lambda opened: _look(console, opened, request))
    return _in_project(project, lambda opened: _begin(console, opened, request, limits, fresh=new))


def _seconds(text: str | None) -> float | None:
    return None if text is None else parse_duration(text)


@group.command()
def resume(
    batch_id: BatchId = "latest",
    concurrency: Concurrency = None,
    max_failures: MaxFailures = None,
    max_runs: MaxRuns = None,
    max_time: MaxTime = None,
    max_cost: MaxCost = None,
    project: ProjectFolder = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> int:
    """Go on with a batch: what is not done, and what failed in a way that may pass."""
    from comfypipe.batch.limits import Limits

    limits = Limits(concurrency, max_failures, max_runs, _seconds(max_time), max_cost)
    console = Console(as_json=as_json, quiet=quiet)
    return _in_project(project, lambda opened: _go_on(console, opened, batch_id, limits))


@group.command("retry-failed")
def retry_failed(
    batch_id: BatchId = "latest",
    concurrency: Concurrency = None,
    max_failures: MaxFailures = None,
    max_time: MaxTime = None,
    max_cost: MaxCost = None,
    project: ProjectFolder = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> int:
    """Go on with a batch, and try all its failed rows again: after their cause was mended."""
    from comfypipe.batch.limits import Limits

    limits = Limits(concurrency, max_failures, None, _seconds(max_time), max_cost, retry_failed=True)
    console = Console(as_json=as_json, quiet=quiet)
    return _in_project(project, lambda opened: _go_on(console, opened, batch_id, limits))


@group.command()
def status(batch_id: BatchId = "latest", project: ProjectFolder = None, as_json: AsJson = False) -> int:
    """Say how a batch stands."""
    from comfypipe.batch.standing import standing_of

    console = Console(as_json=as_json)

    async def look(opened: "Project") -> int:
        found = await standing_of(opened, batch_id)
        console.document(found)
        console.result(columns([(name, str(value)) for name, value in found.items() if value is not None]))
        return ExitStatus.OK

    return _in_project(project, look)


@group.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    project: ProjectFolder = None,
    as_json: AsJson = False,
) -> int:
    """List the newest batches."""
    from comfypipe.batch.standing import listed

    console = Console(as_json=as_json)

    async def look(opened: "Project") -> int:
        found = await listed(opened, limit)
        console.document(found)
        rows = [tuple("" if value is None else str(value) for value in each.values()) for each in found]
        console.result(columns(rows) if rows else "no batches")
        return ExitStatus.OK

    return _in_project(project, look)


@group.command()
def cancel(batch_id: BatchId = "latest", project: ProjectFolder = None, as_json: AsJson = False) -> int:
    """Cancel a batch: its runs on the backend too, whichever process works on it."""
    from comfypipe.batch.standing import cancel_batch

    console = Console(as_json=as_json)

    async def end(opened: "Project") -> int:
        done = await cancel_batch(opened, batch_id)
        console.document(done)
        console.say(f"batch {done['id']} is {done['status']}")
        return ExitStatus.OK

    return _in_project(project, end)


def _in_project(folder: Path | None, work: "Callable[[Project], Awaitable[int]]") -> int:
    import asyncio

    from comfypipe.execution.project import Project

    async def session() -> int:
        async with Project.find(folder) as opened:
            return await work(opened)

    return asyncio.run(session())


async def _look(console: Console, project: "Project", request: "BatchRequest") -> int:
    from comfypipe.batch.batch import open_batch

    with following(console) as tell:
        async with open_batch(project, request, keep=False, tell=tell) as batch:
            tally, todo = await batch.estimate(), await batch.todo()
    console.document({"rows": tally.rows, "todo": todo, **_expected(tally, todo)})
    console.result(f"{plural(todo, 'row')} of {tally.rows} would run{_guess(tally, todo)}")
    return ExitStatus.OK


async def _begin(
    console: Console, project: "Project", request: "BatchRequest", limits: "Limits", *, fresh: bool
) -> int:
    from comfypipe.batch.batch import open_batch

    with following(console) as tell:
        async with open_batch(project, request, fresh=fresh, tell=tell) as batch:
            outcome = await _work(console, batch, limits, tell)
    return _report(console, outcome)


async def _go_on(console: Console, project: "Project", batch_id: str, limits: "Limits") -> int:
    from comfypipe.batch.batch import reopen_batch

    with following(console) as tell:
        async with reopen_batch(project, batch_id, tell=tell) as batch:
            outcome = await _work(console, batch, limits, tell)
    return _report(console, outcome)


async def _work(console: Console, batch: "Batch", limits: "Limits", tell: Any) -> "Outcome":
    tally = await batch.estimate()
    guess = _guess(tally, tally.rows - tally.settled)
    console.say(f"batch {batch.id}: {tally.done} of {tally.rows} rows done before{guess}; into {_shown(batch.folder)}")
    tell("begun", {"id": batch.id, "folder": str(batch.folder)} | tally.to_json())
    with _interruptible(batch):
        return await batch.finish(await batch.run(limits, tell=tell))


class _interruptible:  # noqa: N801 - reads as a word in a with statement
    """Ctrl-C, or SIGTERM, lets what is in flight end; the second one cancels it."""

    def __init__(self, batch: "Batch") -> None:
        self._batch = batch
        self._times = 0

    def __enter__(self) -> None:
        import asyncio
        import signal

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupt)

    def __exit__(self, *_: object) -> None:
        import asyncio
        import signal

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    def _interrupt(self) -> None:
        self._times += 1
        if self._times == 1:
            self._batch.stop()
        else:
            self._batch.cancel()


def _report(console: Console, outcome: "Outcome") -> int:
    tally = outcome.tally
    console.line({"event": "ended"} | outcome.to_json())
    console.result(_shown(outcome.folder / "results.jsonl"))
    failed = tally.failed + tally.failed_before
    parts = [f"{tally.done} of {tally.rows} rows completed"]
    parts += [f"{tally.cached} of them from the store"] if tally.cached else []
    parts += [f"{failed} failed"] if failed else []
    parts += [f"{tally.invalid} invalid"] if tally.invalid else []
    parts += [f"{tally.left} left"] if tally.left else []
    parts += [f"cost {tally.cost:.2f}"] if tally.cost is not None else []
    console.say(f"batch {outcome.batch_id} {outcome.status} in {short_duration(tally.seconds)}: {', '.join(parts)}")
    if tally.left:
        console.say("  hint: the same command goes on with the rows that are left")
    if failed - tally.passing > 0:
        console.say(f"  hint: `comfypipe batch retry-failed {outcome.batch_id}` tries the failed rows again")
    return _exit_status(outcome, failed)


def _exit_status(outcome: "Outcome", failed: int) -> int:
    from comfypipe.batch.limits import Stop

    if outcome.error is not None:
        raise outcome.error
    if outcome.tally.stop in (Stop.INTERRUPTED, Stop.CANCELLED):
        return ExitStatus.INTERRUPTED
    return ExitStatus.RUN_FAILED if failed else ExitStatus.OK


def _expected(tally: "Tally", todo: int) -> dict[str, float | None]:
    seconds = tally.mean_s * todo if tally.mean_s is not None else None
    cost = tally.mean_cost * todo if tally.mean_cost is not None else None
    return {"execution_s": seconds, "cost": cost}


def _guess(tally: "Tally", todo: int) -> str:
    """Return what is to be expected, in words, as far as earlier runs tell."""
    expected = _expected(tally, todo)
    parts = [f"about {short_duration(expected['execution_s'])} of execution"] if expected["execution_s"] else []
    parts += [f"cost about {expected['cost']:.2f}"] if expected["cost"] is not None else []
    return f" ({', '.join(parts)} to come)" if parts else ""


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
