"""A run while it goes on: a view that redraws itself on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from comfypipe.cli.console import Console, plural

if TYPE_CHECKING:
    from rich.table import Table

    from comfypipe.execution.events import Event, FilesFetched, FilesProgress, JobProgress, Listener

MARKS = {"waiting": "·", "running": "▸", "completed": "✓", "failed": "✗", "skipped": "-", "cancelled": "-"}


@dataclass(slots=True)
class StepView:
    """What is to be seen of one step."""

    id: str
    status: str = "waiting"
    jobs: int = 0
    done: int = 0
    cached: int = 0
    doing: str = ""
    started_s: float = 0.0
    ended_s: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return (self.ended_s or time.monotonic()) - self.started_s if self.started_s else 0.0

    @property
    def summary(self) -> str:
        """What to say of it in a few words."""
        if self.status == "running":
            return self.doing
        if self.status != "completed":
            return self.status if self.status != "waiting" else ""
        stored = "from the store" if self.cached == self.done else f"{self.cached} from the store"
        return stored if self.cached else ""


@dataclass(slots=True)
class RunView:
    """What is to be seen of a run: events go in, `steps` say how it stands."""

    steps: dict[str, StepView] = field(default_factory=dict)
    nodes: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def update(self, event: "Event") -> StepView | None:
        """Take an event in; returns the step that it ended, if it ended one."""
        from comfypipe.execution import events

        match event:
            case events.RunStarted():
                self.steps = {name: StepView(name) for name in event.steps}
                self._greet(event.run_id, resumed=event.resumed, continues=event.continues)
            case events.StepStarted():
                step = self.steps[event.step]
                step.status, step.jobs, step.started_s = "running", event.jobs, time.monotonic()
            case events.StepSkipped() | events.StepFinished():
                return self._end(event.step, getattr(event, "status", "skipped"))
            case events.FilesProgress():
                self.steps[event.step].doing = _arriving(event)
            case events.FilesFetched():
                self.notes += _arrived(event)
            case events.JobQueued():
                self.nodes[event.prompt_id] = event.nodes
            case events.JobProgress():
                self._watch(event)
            case events.JobRetried():
                self.notes.append(f"{event.step}: {event.error.message}; trying again in {event.delay_s:.0f} s")
            case events.JobFinished():
                self.steps[event.step].done += 1
                self.steps[event.step].cached += event.cached
        return None

    def _greet(self, run_id: str, *, resumed: bool, continues: str | None) -> None:
        if resumed:
            self.notes.append(f"run {run_id} goes on where it was interrupted")
        elif continues:
            self.notes.append(f"run {run_id} takes up what run {continues} had finished")
        else:
            self.notes.append(f"run {run_id}")

    def _end(self, name: str, status: str) -> StepView:
        step = self.steps[name]
        step.status, step.ended_s = status, time.monotonic()
        return step

    def _watch(self, event: "JobProgress") -> None:
        progress = event.progress
        if progress.node_id is None:
            return
        name = self.nodes.get(progress.prompt_id, {}).get(progress.node_id, progress.class_type or progress.node_id)
        share = f" {progress.value:g}/{progress.maximum:g}" if progress.value is not None and progress.maximum else ""
        self.steps[event.step].doing = f"{name}{share}"


def _arrived(event: "FilesFetched") -> list[str]:
    return [f"{event.step}: {plural(event.count, 'file')} fetched in {event.seconds:.1f} s"] if event.count else []


def _arriving(event: "FilesProgress") -> str:
    name = event.url.removesuffix("?…").rsplit("/", 1)[-1]
    done = f"{event.received_bytes / 1e6:.1f}"
    share = f" of {event.total_bytes / 1e6:.1f}" if event.total_bytes else ""
    return f"fetching {name} {done}{share} MB"


@contextmanager
def watching(console: Console) -> "Iterator[Listener]":
    """Show a run's progress on stderr for as long as the block lasts; yields what listens to its events."""
    view = RunView()
    if console.live:
        with _live(view) as listen:
            yield listen
    else:
        yield _plain(view, console.say)


def _plain(view: RunView, say: Callable[[str], None]) -> "Listener":
    def listen(event: "Event") -> None:
        ended = view.update(event)
        while view.notes:
            say(view.notes.pop(0))
        if ended is not None:
            say(_line(ended))

    return listen


def _line(step: StepView) -> str:
    jobs = f", {plural(step.jobs, 'prompt')}" if step.jobs > 1 else ""
    note = f" ({step.summary})" if step.status == "completed" and step.summary else ""
    took = f" in {step.seconds:.1f} s" if step.started_s else ""
    return f"{MARKS[step.status]} {step.id}: {step.status}{took}{jobs}{note}"


@contextmanager
def _live(view: RunView) -> "Iterator[Listener]":
    from rich.console import Console as Terminal
    from rich.live import Live

    terminal = Terminal(stderr=True)
    with Live(console=terminal, get_renderable=lambda: _table(view), refresh_per_second=12, transient=False) as live:

        def listen(event: "Event") -> None:
            view.update(event)
            while view.notes:
                live.console.print(view.notes.pop(0), style="dim", highlight=False)

        yield listen


def _table(view: RunView) -> "Table":
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    styles = {"completed": "green", "failed": "red", "running": "cyan"}
    for step in view.steps.values():
        bar = ProgressBar(total=step.jobs, completed=step.done, width=12) if step.jobs > 1 else ""
        count = f"{step.done}/{step.jobs}" if step.jobs > 1 else ""
        took = f"{step.seconds:.1f} s" if step.started_s else ""
        mark = f"[{styles.get(step.status, 'dim')}]{MARKS[step.status]}[/]"
        table.add_row(mark, step.id, took, count, bar, f"[dim]{step.summary}[/]")
    return table
