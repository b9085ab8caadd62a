"""A batch while it goes on: a view that redraws itself on a terminal, plain lines elsewhere, events as JSON lines."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from comfypipe._types import JSONObject
from comfypipe.cli.console import Console, plural
from comfypipe.cli.durations import short_duration

if TYPE_CHECKING:
    from rich.console import Group

    from comfypipe.batch.tally import Tell

_PLAIN_EVERY_S = 10.0
_FAILURES_TOLD = 20


class BatchView:
    """What is to be seen of a batch: events go in, lines come out."""

    def __init__(self) -> None:
        self.standing: JSONObject = {}
        self.checking = ""
        self.failures = 0

    def note(self, kind: str, about: JSONObject) -> str | None:
        """Take an event in; returns what is to be said of it."""
        match kind:
            case "checking":
                self.checking = f"checking rows: {about['rows']:,} ({about['rows_per_s']:,} a second)"
            case "checked":
                self.checking = ""
                return _checked(about)
            case "progress":
                self.standing = about
            case "row" if about["status"] != "completed":
                return self._failed(about)
            case "stopping":
                return _stopping(about)
        return None

    def _failed(self, about: JSONObject) -> str | None:
        self.failures += 1
        if self.failures > _FAILURES_TOLD:
            return None
        message = ((about["error"] or {}).get("message") or about["status"]).splitlines()[0]
        more = "; further ones are in results.jsonl" if self.failures == _FAILURES_TOLD else ""
        return f"✗ row {about['row']}: {message}{more}"

    @property
    def line(self) -> str:
        """How it stands, in one line."""
        about = self.standing
        parts = [f"{about['completed']:,} of {about['rows']:,} done"]
        parts += [f"{about['failed']:,} failed"] if about["failed"] else []
        parts += [f"{about['in_flight']} in flight"] if about["in_flight"] else []
        parts += [f"{about['rows_per_s']:.1f} a second"] if about["rows_per_s"] else []
        parts += [f"{short_duration(about['left_s'])} left"] if about["left_s"] else []
        parts += [f"cost {about['cost']:.2f}"] if about["cost"] is not None else []
        return ", ".join(parts)


@contextmanager
def following(console: Console) -> "Iterator[Tell]":
    """Show a batch's progress on stderr for as long as the block lasts; yields what is told of it."""
    view = BatchView()
    if console.as_json:
        yield lambda kind, about: console.line({"event": kind} | about)
    elif console.live:
        with _live(view) as tell:
            yield tell
    else:
        yield _plain(view, console)


def _plain(view: BatchView, console: Console) -> "Tell":
    told_s = time.monotonic()

    def tell(kind: str, about: JSONObject) -> None:
        nonlocal told_s
        said = view.note(kind, about)
        if said is not None:
            console.say(said)
        if kind == "progress" and time.monotonic() - told_s >= _PLAIN_EVERY_S:
            told_s = time.monotonic()
            console.say(view.line)

    return tell


@contextmanager
def _live(view: BatchView) -> "Iterator[Tell]":
    from rich.console import Console as Terminal
    from rich.live import Live

    terminal = Terminal(stderr=True)
    with Live(console=terminal, get_renderable=lambda: _drawn(view), refresh_per_second=4, transient=True) as live:

        def tell(kind: str, about: JSONObject) -> None:
            said = view.note(kind, about)
            if said is not None:
                live.console.print(said, style="dim", highlight=False, markup=False)

        yield tell


def _drawn(view: BatchView) -> "Group":
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    if not view.standing:
        return Group(Text(view.checking))
    about = view.standing
    settled = about["completed"] + about["failed"] + about["invalid"]
    head = Table.grid(padding=(0, 2))
    head.add_row(ProgressBar(total=about["rows"], completed=settled, width=40), view.line)
    servers = Table.grid(padding=(0, 2))
    for server, count in sorted(about["running"].items()):
        servers.add_row(Text("▸", style="cyan"), Text(server), Text(f"{count} running", style="dim"))
    return Group(head, servers)


def _checked(about: JSONObject) -> str:
    parts = [plural(about["rows"], "row")]
    parts += [f"{about['invalid']} of them invalid"] if about["invalid"] else []
    parts += [f"{about['repeated']} the same as earlier ones: each is run once"] if about["repeated"] else []
    return f"{', '.join(parts)}; checked in {short_duration(about['seconds'])} ({about['rows_per_s']:,} a second)"


def _stopping(about: JSONObject) -> str:
    reasons = {
        "failures": "so many failures were not to be",
        "runs": "so many runs were to be",
        "time": "the time is up",
        "cost": "the cost is at its limit",
        "interrupted": "interrupted",
        "cancelled": "cancelled",
        "unavailable": "the backend is away",
        "store": "the disk is at fault",
    }
    flight = f"; finishing {plural(about['in_flight'], 'row')} in flight" if about["in_flight"] else ""
    flight = flight if about["reason"] != "cancelled" else "; cancelling what is in flight"
    again = " (again to cancel them)" if about["reason"] == "interrupted" and about["in_flight"] else ""
    return f"stopping: {reasons[about['reason']]}{flight}{again}"
