"""``comfypipe batch`` and its subcommands."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Type

from comfypipe.cli.durations import parse_duration, short_duration
from comfypipe.errors import UsageError

COLOURS = "colour\n" + "".join(f"#{number:06x}\n" for number in range(1, 13))


@pytest.fixture
def rows(examples: Path) -> Path:
    """Return a file of twelve rows in the project that is the working directory."""
    path = examples / "rows.csv"
    path.write_text(COLOURS)
    return path


def test_a_batch_makes_a_picture_a_row(rows: Path, typed: Type) -> None:
    """Pictures and results lie where they were asked for; again, nothing runs; the list, and the runs, know of it."""
    done = typed("batch", "recolour", "rows.csv", "--out", "out", "--names", "{row.colour}.png")
    assert (0, "out/results.jsonl\n") == (done.status, done.out)
    results = [json.loads(line) for line in Path("out/results.jsonl").read_text().splitlines()]
    assert [f"#{number:06x}.png" for number in range(1, 13)] == [
        each["outputs"]["image"][0]["path"] for each in results
    ]
    assert "12 of 12 rows completed" in done.err
    again = typed("batch", "recolour", "rows.csv", "--out", "out", "--names", "{row.colour}.png")
    assert "12 of 12 rows done before" in again.err
    (listed,) = typed("batch", "list", "--json").document
    assert ("completed", 12) == (listed["status"], listed["rows"])
    status = typed("batch", "status", listed["id"][:8], "--json").document
    assert (12, 0, 0) == (status["completed"], status["failed"], status["left"])
    assert 12 == len(typed("runs", "list", "--batch", "latest", "--json").document)


def test_wrong_rows_are_told_with_their_lines(rows: Path, typed: Type) -> None:
    """Exit status 3, nothing runs; with --skip-invalid the others do, and the status is 0."""
    rows.write_text("colour,strength\n#112233,0.5\nred,0.5\n#112233,much\n")
    wrong = typed("batch", "recolour", "rows.csv", "--out", "out")
    assert (3, "") == (wrong.status, wrong.out)
    assert "rows.csv:3:1 bad-row: input colour takes text that matches" in wrong.err
    assert "rows.csv:4:1 bad-row: input strength takes a number" in wrong.err
    assert [] == typed("batch", "list", "--json").document
    fine = typed("batch", "recolour", "rows.csv", "--out", "out", "--skip-invalid")
    assert 0 == fine.status
    assert "2 invalid" in fine.err
    status = typed("batch", "status", "latest", "--json").document
    assert (1, 0, 2, 0) == tuple(status[name] for name in ("completed", "failed", "invalid", "left"))


def test_what_would_run_is_said_without_running(rows: Path, typed: Type) -> None:
    """--dry-run counts, stores nothing and makes no folder."""
    looked = typed("batch", "recolour", "rows.csv", "--dry-run")
    assert (0, "12 rows of 12 would run\n") == (looked.status, looked.out)
    assert [] == typed("batch", "list", "--json").document
    assert not Path("outputs").exists()


def test_limits_stop_a_batch_and_resume_goes_on(rows: Path, typed: Type) -> None:
    """--max-runs is no failure; the rest is for the next time, under the batch's id."""
    first = typed("batch", "recolour", "rows.csv", "--out", "out", "--max-runs", "5", "--json")
    events = [json.loads(line) for line in first.out.splitlines()]
    assert 0 == first.status
    assert ["checking", "checked", "begun", "stopping", "ended"] == [
        each["event"] for each in events if each["event"] not in ("row", "progress")
    ]
    assert (5, 7, "stopped", "runs") == tuple(events[-1][key] for key in ("completed", "left", "status", "stop"))
    assert 5 == sum(each["event"] == "row" for each in events)
    resumed = typed("batch", "resume", events[-1]["id"])
    assert 0 == resumed.status
    assert "5 of 12 rows done before" in resumed.err


def test_failed_rows_are_tried_again_on_request(rows: Path, typed: Type) -> None:
    """A row whose picture is broken fails alone, exit status 1; retry-failed tries it alone."""
    Path("photo.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    rows.write_text("image\nassets/vase.png\nphoto.png\n")
    failed = typed("batch", "recolour", "rows.csv", "--out", "out")
    assert 1 == failed.status
    assert "✗ row 2: " in failed.err
    assert "retry-failed" in failed.err
    again = typed("batch", "recolour", "rows.csv", "--out", "out")
    assert (1, False) == (again.status, "✗ row 2" in again.err)
    assert "✗ row 2: " in typed("batch", "retry-failed", "latest").err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["recolour"], "a batch needs rows"),
        (["recolour", "none.csv"], "none.csv cannot be read"),
        (["recolour", "rows.csv", "--names", "../{row.colour}"], "leads out of the folder"),
        (["recolour", "rows.csv", "--max-time", "soon"], "is no length of time"),
        (["recolour", "rows.csv", "--max-cost", "1"], "needs prices"),
        (["recolour", "rows.csv", "--results", "xml"], '"xml" is no format of results'),
        (["recolour", "rows.csv", "--map", "colour"], "is not COLUMN=INPUT"),
        (["nothing", "rows.csv"], 'there is no workflow or pipeline "nothing"'),
        (["status", "zzzz"], 'no batch has the id "zzzz"'),
    ],
)
def test_mistakes_are_usage_errors(rows: Path, typed: Type, arguments: list[str], told: str) -> None:
    """Each says what is wrong, exit status 2."""
    result = typed("batch", *arguments)
    assert 2 == result.status
    assert told in result.err


def test_ctrl_c_finishes_what_is_in_flight(rows: Path, typed: Type) -> None:
    """One SIGINT: exit status 130, no row failed or cancelled; the same command goes on."""
    rows.write_text("colour\n" + "".join(f"#{number:06x}\n" for number in range(1, 200)))
    command = [sys.executable, "-m", "comfypipe", "batch", "recolour", "rows.csv", "--out", "out", "--json", "-c", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "row":
            process.send_signal(signal.SIGINT)
            break
    rest, _ = process.communicate(timeout=60)
    ended = json.loads(rest.splitlines()[-1])
    assert (130, "stopped", "interrupted", 0) == (
        process.returncode,
        ended["status"],
        ended["stop"],
        ended["failed"],
    )
    runs = typed("runs", "list", "--batch", "latest", "--limit", "500", "--json").document
    assert {"completed"} == {each["status"] for each in runs}
    assert ended["completed"] == len(runs) < 199


def test_a_batch_is_cancelled_from_another_process(rows: Path, typed: Type) -> None:
    """``batch cancel`` ends it there, and what is in flight; it says so itself."""
    rows.write_text("colour\n" + "".join(f"#{number:06x}\n" for number in range(1, 2000)))
    command = [sys.executable, "-m", "comfypipe", "batch", "recolour", "rows.csv", "--out", "out", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "row":
            break
    cancelled = typed("batch", "cancel", "latest", "--json")
    rest, _ = process.communicate(timeout=60)
    assert (0, "cancelled") == (cancelled.status, cancelled.document["status"])
    assert (130, "cancelled") == (process.returncode, json.loads(rest.splitlines()[-1])["status"])
    assert "cancelled" == typed("batch", "status", "latest", "--json").document["status"]


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("1.5h", 5400)])
def test_lengths_of_time(text: str, seconds: float) -> None:
    """Numbers with units, added up."""
    assert seconds == parse_duration(text)


@pytest.mark.parametrize("text", ["", "soon", "5x", "m", "1h soon"])
def test_what_is_no_length_of_time(text: str) -> None:
    """A usage error."""
    with pytest.raises(UsageError):
        parse_duration(text)


def test_lengths_of_time_are_short() -> None:
    """In the units that matter."""
    assert ["2.5 s", "45 s", "3 min 20 s", "2 h 5 min", "unknown"] == [
        short_duration(seconds) for seconds in (2.49, 45, 200, 7500, None)
    ]
