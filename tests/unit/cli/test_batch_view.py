"""What is to be seen of a batch while it goes on."""

import io
import json
from typing import Any

import pytest
from rich.console import Console as Terminal

from comfypipe.cli import batch_view
from comfypipe.cli.batch_view import BatchView, following
from comfypipe.cli.console import Console

STANDING: dict[str, Any] = {
    "rows": 1200,
    "completed": 300,
    "failed": 2,
    "invalid": 1,
    "left": 897,
    "in_flight": 12,
    "running": {"http://a:8188": 2, "http://b:8188": 1},
    "rows_per_s": 1.5,
    "left_s": 598.0,
    "cost": 1.234,
}


def test_the_line_says_how_a_batch_stands() -> None:
    """Done, failed, in flight, rate, time left, cost; what is nothing is left out."""
    view = BatchView()
    view.note("progress", STANDING)
    expected = "300 of 1,200 done, 2 failed, 12 in flight, 1.5 a second, 9 min 58 s left, cost 1.23"
    assert expected == view.line
    view.note("progress", STANDING | {"failed": 0, "in_flight": 0, "rows_per_s": 0.0, "left_s": None, "cost": None})
    assert "300 of 1,200 done" == view.line


def test_the_drawing_shows_what_each_server_runs() -> None:
    """A bar, the line, and a line for each server that has something."""
    view = BatchView()
    view.note("progress", STANDING)
    sink = io.StringIO()
    Terminal(file=sink, width=160).print(batch_view._drawn(view))
    first, *servers = sink.getvalue().splitlines()
    assert "300 of 1,200 done" in first
    assert ["▸  http://a:8188  2 running", "▸  http://b:8188  1 running"] == [each.strip() for each in servers]


def test_only_the_first_failures_are_told() -> None:
    """Of a batch in which every row fails, the rest stands in the results."""
    view = BatchView()
    failed = {"status": "failed", "error": {"message": "no\nmore"}}
    said = [view.note("row", failed | {"row": number}) for number in range(1, 31)]
    assert "✗ row 1: no" == said[0]
    assert "✗ row 20: no; further ones are in results.jsonl" == said[19]
    assert {None} == set(said[20:])
    assert view.note("row", {"status": "completed", "row": 31}) is None


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("interrupted", "stopping: interrupted; finishing 3 rows in flight (again to cancel them)"),
        ("cost", "stopping: the cost is at its limit; finishing 3 rows in flight"),
        ("cancelled", "stopping: cancelled; cancelling what is in flight"),
    ],
)
def test_why_a_batch_stops(reason: str, expected: str) -> None:
    """And what becomes of what is in flight."""
    assert expected == BatchView().note("stopping", {"reason": reason, "in_flight": 3})


def test_events_are_lines_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json each event is one line on stdout."""
    with following(Console(as_json=True)) as tell:
        tell("progress", STANDING)
    assert {"event": "progress"} | STANDING == json.loads(capsys.readouterr().out)


def test_off_a_terminal_lines_are_rare(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """How it stands is said every ten seconds, what happens at once."""
    clock = iter([0.0, 1.0, 11.0, 11.0, 12.0])
    monkeypatch.setattr("comfypipe.cli.batch_view.time.monotonic", lambda: next(clock))
    with following(Console()) as tell:
        for _ in range(3):
            tell("progress", STANDING)
    assert 1 == len(capsys.readouterr().err.splitlines())
