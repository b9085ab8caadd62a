"""Batches from their rows to their results, on a server that counts what it runs."""

import asyncio
import hashlib
import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from tests.unit.batch.conftest import Batches
from tests.unit.execution.projects import FILES
from tests.unit.store.limits import file_size_limit

from comfypipe.batch.batch import Batch, open_batch
from comfypipe.batch.limits import Limits, Stop
from comfypipe.errors import BackendUnavailable, RowsInvalid, StoreError, UsageError
from comfypipe.execution.project import Project

SUBJECTS = [{"subject": f"boat {number}"} for number in range(5)]


def test_a_batch_runs_each_row_once(batches: Batches) -> None:
    """Each row has a file, and a line that says where it lies, in the order of the rows."""
    outcome = batches.run(batches.request(rows=batches.rows(*SUBJECTS)))
    assert ("completed", 5, 5) == (outcome.status, outcome.tally.completed, len(batches.backend.executions))
    results = batches.results()
    assert [1, 2, 3, 4, 5] == [each["row"] for each in results]
    assert SUBJECTS == [each["params"] for each in results]
    for each in results:
        (file,) = each["outputs"]["image"]
        content = (batches.root / "out" / file["path"]).read_bytes()
        assert (file["sha256"], file["size_bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
        assert ("completed", 1, "folder-1") == (each["status"], each["attempts"], each["server"])
    assert [f"00000{number}.png" for number in range(1, 6)] == batches.files()
    about = json.loads((batches.root / "out/batch.json").read_text())
    assert (outcome.batch_id, "completed", 5) == (about["id"], about["status"], about["counts"]["completed"])


def test_the_same_batch_again_runs_nothing(batches: Batches) -> None:
    """Rows that are done are known by their content; nothing is written anew."""
    request = batches.request(rows=batches.rows(*SUBJECTS))
    first = batches.run(request)
    before = (batches.root / "out/results.jsonl").stat().st_mtime_ns
    again = batches.run(request)
    assert (first.batch_id, 5, 0) == (again.batch_id, again.tally.before, again.tally.begun)
    assert 5 == len(batches.backend.executions)
    assert before == (batches.root / "out/results.jsonl").stat().st_mtime_ns


def test_only_rows_that_are_new_run(batches: Batches) -> None:
    """Rows that were added, wherever they stand, are what is missing; the others keep their files."""
    request = batches.request(rows=batches.rows(*SUBJECTS[:3]), names="{row.subject}")
    batches.run(request)
    batches.rows(SUBJECTS[4], *SUBJECTS[:3])
    outcome = batches.run(request)
    assert (3, 1) == (outcome.tally.before, outcome.tally.completed)
    assert ["boat 4.png", "boat 0.png", "boat 1.png", "boat 2.png"] == [
        each["outputs"]["image"][0]["path"] for each in batches.results()
    ]


def test_a_changed_workflow_is_another_batch(batches: Batches) -> None:
    """What was made by the template of before is not taken for what the new one makes."""
    request = batches.request(rows=batches.rows(*SUBJECTS[:2]))
    first = batches.run(request)
    template = batches.root / "workflows/portrait.json.j2"
    template.write_text(template.read_text().replace("v1", "v2"))
    second = batches.run(request)
    assert first.batch_id != second.batch_id
    assert 4 == len(batches.backend.executions)


def test_repetitions_have_seeds_of_their_own(batches: Batches) -> None:
    """The seeds follow from the row and the repetition: another batch of the same rows has the same ones."""
    request = batches.request(rows=batches.rows(*SUBJECTS[:2]), repeat=3)
    batches.run(request)
    seeds = [each["inputs"]["seed"] for each in batches.results()]
    assert 6 == len(set(seeds)) == len(batches.backend.executions)
    assert [0, 1, 2, 0, 1, 2] == [each["params"]["repeat"] for each in batches.results()]
    again = batches.run(request, fresh=True)
    assert (6, 6) == (again.tally.cached, len(batches.backend.executions))
    assert seeds == [each["inputs"]["seed"] for each in batches.results()]


def test_a_sweep_needs_no_file(batches: Batches) -> None:
    """Every value with every other; the axes stand in batch.json for those who draw a grid."""
    batches.run(batches.request(sweep=("subject=boat,house", "count=1:2")))
    points = [(each["params"]["subject"], each["params"]["count"]) for each in batches.results()]
    assert [("boat", 1), ("boat", 2), ("house", 1), ("house", 2)] == points
    about = json.loads((batches.root / "out/batch.json").read_text())
    axes = [{"name": "subject", "values": ["boat", "house"]}, {"name": "count", "values": [1, 2]}]
    assert {"axes": axes, "zipped": False} == about["sweep"]


def test_rows_times_a_sweep(batches: Batches) -> None:
    """Each row meets each point; one that sets what is swept is invalid."""
    rows = batches.rows({"subject": "boat"}, {"subject": "house", "count": 3})
    outcome = batches.run(batches.request(rows=rows, sweep=("count=1,2",), skip_invalid=True))
    assert (2, 1) == (outcome.tally.completed, outcome.tally.invalid)
    assert ["completed", "completed", "invalid"] == [each["status"] for each in batches.results()]
    assert "sets count, which is swept" == batches.results()[2]["error"]["message"]


def test_rows_with_the_same_content_run_once(batches: Batches) -> None:
    """Each of them has its line and, where names differ, its file."""
    rows = batches.rows(*({"subject": "boat", "sku": sku} for sku in ("a", "b", "b")))
    outcome = batches.run(batches.request(rows=rows, allow_extra=True, names="{row.sku}"))
    assert (3, 2, 1) == (outcome.tally.completed, outcome.tally.repeated, len(batches.backend.executions))
    assert ["a.png", "b.png", "b.png"] == [each["outputs"]["image"][0]["path"] for each in batches.results()]
    assert 1 == len({each["run_id"] for each in batches.results()})


def test_names_that_collide_are_told_apart(batches: Batches) -> None:
    """No file is overwritten by another row's."""
    rows = batches.rows(*SUBJECTS[:3])
    batches.run(batches.request(rows=rows, names="same.png"), Limits(concurrency=1))
    assert ["same.png", "same_2.png", "same_3.png"] == batches.files()
    assert 3 == len({(batches.root / "out" / name).read_bytes() for name in batches.files()})


def test_a_lost_file_is_put_back_without_running(batches: Batches) -> None:
    """The store has what a folder of outputs lost."""
    request = batches.request(rows=batches.rows(*SUBJECTS))
    batches.run(request)
    (batches.root / "out/000002.png").unlink()
    batches.run(request)
    assert (5, 5) == (len(batches.files()), len(batches.backend.executions))


def test_what_a_killed_process_left_half_written_is_removed(batches: Batches) -> None:
    """In every folder that files go to; what may still be written, and what is the user's, stays."""
    old, new, theirs = ".0123456789abcdef.partial", ".1123456789abcdef.partial", "notes.partial"
    folder = batches.root / "out/boats"
    folder.mkdir(parents=True)
    for name in (old, new, theirs):
        (folder / name).write_bytes(b"half")
    for name in (old, theirs):
        os.utime(folder / name, (0, 0))
    batches.run(batches.request(rows=batches.rows(*SUBJECTS[:2]), names="boats/{row.subject}"))
    assert [new, "boat 0.png", "boat 1.png", theirs] == sorted(each.name for each in folder.iterdir())


def test_another_folder_gets_the_same_files(batches: Batches) -> None:
    """Where outputs go is no part of what a row is."""
    rows = batches.rows(*SUBJECTS)
    batches.run(batches.request(rows=rows))
    outcome = batches.run(batches.request(rows=rows, out=batches.root / "elsewhere"))
    assert (5, 0) == (outcome.tally.before, outcome.tally.begun)
    assert all((batches.root / "elsewhere" / f"00000{number}.png").is_file() for number in range(1, 6))


def test_the_index_may_be_lost(batches: Batches) -> None:
    """Without it, and without its lines, the ledger says what is done."""
    request = batches.request(rows=batches.rows(*SUBJECTS))
    outcome = batches.run(request)
    index = batches.root / ".comfypipe/batches" / f"{outcome.batch_id}.sqlite3"
    before = batches.results()
    for damage in (None, b"no database"):
        index.unlink() if damage is None else index.write_bytes(damage)
        again = batches.run(request)
        assert (5, 0) == (again.tally.before, again.tally.begun)
        assert before == batches.results()


def test_a_pipeline_runs_row_by_row(batches: Batches) -> None:
    """Each row runs all steps; outputs of several files are numbered."""
    rows = batches.rows(*({"subject": each["subject"], "colours": ["red", "blue"]} for each in SUBJECTS[:2]))
    outcome = batches.run(batches.request("card", rows, names="{row.subject}/{output}"))
    assert ("completed", 2) == (outcome.status, outcome.tally.completed)
    assert [f"boat {n}/{name}.png" for n in (0, 1) for name in ("sheet", "variants-01", "variants-02")] == (
        batches.files()
    )
    assert [{"words": None}] * 2 == [each["values"] for each in batches.results()]


def test_repetitions_of_a_pipeline_with_open_seeds_are_told_apart(batches: Batches) -> None:
    """A run is gone on with by its own row only, though the inputs of two are the same."""
    card = FILES["manifests/card.yaml"].replace("          seed: {type: seed}\n", "")
    card = card.replace(', seed: "{{ inputs.seed }}"', "")
    (batches.root / "manifests/card.yaml").write_text(card)
    batches.run(batches.request("card", repeat=4, sweep=("subject=boat",)))
    assert 4 == len({each["outputs"]["sheet"][0]["sha256"] for each in batches.results()})


# What goes wrong


def broken(batches: Batches, *colours: str) -> Path:
    """Write rows of which those that are called broken fail at the node."""
    (batches.root / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n a photo")
    return batches.rows(*({"image": "photo.png", "colour": colour} for colour in colours))


def test_a_row_that_fails_does_not_stop_the_others(batches: Batches) -> None:
    """Its line says why; the same batch again leaves it alone; retry-failed tries it, and it alone."""
    request = batches.request("recolour", broken(batches, "red", "broken", "blue"))
    outcome = batches.run(request)
    assert ("failed", 2, 1) == (outcome.status, outcome.tally.completed, outcome.tally.failed)
    failed = batches.results()[1]
    assert ("failed", "RunFailed") == (failed["status"], failed["error"]["type"])
    ran = len(batches.backend.executions)
    again = batches.run(request)
    assert ("failed", 2, 1, 0) == (again.status, again.tally.before, again.tally.failed_before, again.tally.begun)
    assert ran == len(batches.backend.executions)
    template = batches.root / "workflows/recolour.json.j2"
    template.write_text(template.read_text().replace('"Fail" if', '"SaveImage" if'))
    mended = batches.again(outcome.batch_id, Limits(retry_failed=True))
    assert ("completed", 2, 1) == (mended.status, mended.tally.before, mended.tally.completed)
    assert ["completed"] * 3 == [each["status"] for each in batches.results()]


def test_so_many_failures_stop_a_batch(batches: Batches) -> None:
    """What was not begun is skipped, and left for the next time."""
    request = batches.request("recolour", broken(batches, "red", "broken", "blue", "green"))
    outcome = batches.run(request, Limits(concurrency=1, max_failures=1))
    assert ("stopped", Stop.FAILURES) == (outcome.status, outcome.tally.stop)
    assert ["completed", "failed", "skipped", "skipped"] == [each["status"] for each in batches.results()]
    again = batches.run(request)
    assert (1, 1, 2) == (again.tally.before, again.tally.failed_before, again.tally.completed)


def test_invalid_rows_are_all_told_before_anything_runs(batches: Batches) -> None:
    """Each with its line; of mixed types, missing files, broken lines and unknown columns."""
    rows = batches.rows({"subject": "boat"}, {"subject": 7}, '{"subject": ', {"count": "many"}, {"subjet": "x"}, "[1]")
    with pytest.raises(RowsInvalid) as caught:
        batches.run(batches.request(rows=rows))
    found = [(each.code, each.source.line if each.source else 0) for each in caught.value.diagnostics]
    assert [("bad-row", 2), ("bad-row", 3), ("bad-row", 4), ("unknown-column", 5), ("bad-row", 6)] == found
    assert 'column "subjet" is no input' == caught.value.diagnostics[3].message
    assert "did you mean subject?" == caught.value.diagnostics[3].hint
    assert ([], False) == (batches.backend.executions, (batches.root / "out").exists())
    assert [] == list((batches.root / ".comfypipe/batches").iterdir())


def test_invalid_rows_may_be_skipped(batches: Batches) -> None:
    """Their lines say what is wrong, and where; those that are fine run."""
    rows = batches.rows({"subject": "boat"}, {"subject": 7}, "[1]")
    outcome = batches.run(batches.request(rows=rows, skip_invalid=True))
    assert ("completed", 1, 2) == (outcome.status, outcome.tally.completed, outcome.tally.invalid)
    assert ["completed", "invalid", "invalid"] == [each["status"] for each in batches.results()]
    assert str(batches.results()[2]["error"]["source"]).endswith("rows.jsonl:3:1")


def test_files_are_looked_for_beside_the_rows_and_then_in_the_project(batches: Batches) -> None:
    """One that is nowhere is an invalid row; the content, not the name, is what a row is known by."""
    folder = batches.root / "shoot"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n beside")
    (batches.root / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n below the root")
    (folder / "rows.csv").write_text("image\na.png\nb.png\nc.png\n")
    request = batches.request("recolour", folder / "rows.csv", skip_invalid=True)
    outcome = batches.run(request)
    assert (2, 1) == (outcome.tally.completed, outcome.tally.invalid)
    assert "input image reads c.png, which does not exist" == batches.results()[2]["error"]["message"]
    (folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n another one")
    assert (1, 1) == ((again := batches.run(request)).tally.before, again.tally.completed)


def test_columns_are_mapped(batches: Batches) -> None:
    """Another name for an input; extra columns only where they are allowed; a mapped column has to be there."""
    rows = batches.rows({"motif": "boat", "sku": 1})
    columns = {"motif": "subject"}
    with pytest.raises(RowsInvalid, match='column "sku" is no input'):
        batches.run(batches.request(rows=rows, columns=columns))
    batches.run(batches.request(rows=rows, columns=columns, allow_extra=True, names="{row.sku}-{row.motif}"))
    assert ["1-boat.png"] == batches.files()
    with pytest.raises(UsageError, match='mapped to "subjct", which is no input'):
        batches.run(batches.request(rows=rows, columns={"motif": "subjct"}))
    with pytest.raises(RowsInvalid, match='column "motto" is mapped to an input, but no row has it'):
        batches.run(batches.request(rows=rows, columns={"motto": "subject"}, allow_extra=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "a batch needs rows"),
        ({"sweep": ("subject=a",), "names": "../{row.subject}"}, "leads out of the folder"),
        ({"sweep": ("subject=a",), "names": "{row.sku}"}, "there is no row.sku"),
        ({"sweep": ("sbject=a",)}, 'there is no input "sbject" to sweep'),
    ],
)
def test_a_request_that_does_not_fit_is_refused(batches: Batches, options: dict[str, Any], message: str) -> None:
    """Before anything is stored."""
    with pytest.raises(UsageError) as caught:
        batches.run(batches.request(**options))
    assert message in caught.value.message
    assert () == batches.session(lambda project: project.ledger.batches.newest())


def test_a_workflow_that_cannot_run_is_told_before_the_first_row(batches: Batches) -> None:
    """A hundred thousand rows do not fail one by one for a template that is broken."""
    (batches.root / "workflows/portrait.json.j2").write_text('{"1": {{ nothing }} }')
    with pytest.raises(Exception, match="nothing"):
        batches.run(batches.request(rows=batches.rows(*SUBJECTS)))
    assert [] == batches.backend.executions


def test_a_backend_that_is_away_stops_the_batch(batches: Batches) -> None:
    """After some rows in vain, and not after all of them; when it is back, the same batch goes on."""
    away = [True]

    def hook(point: str, _prompt_id: str) -> None:
        if point == "before submit" and away:
            raise BackendUnavailable("the server is away")

    batches.backend.hook = hook
    request = batches.request(rows=batches.rows(*({"subject": f"boat {number}"} for number in range(60))))
    outcome = batches.run(request, Limits(concurrency=4))
    assert ("stopped", Stop.UNAVAILABLE) == (outcome.status, outcome.tally.stop)
    assert isinstance(outcome.error, BackendUnavailable)
    assert 14 >= outcome.tally.failed
    away.clear()
    again = batches.run(request)
    assert ("completed", 60) == (again.status, again.tally.completed)


def test_a_full_disk_loses_nothing(batches: Batches) -> None:
    """The batch stops with an error that says so; with room again it goes on, and no row runs twice."""
    request = batches.request(rows=batches.rows(*({"subject": f"boat {number}"} for number in range(300))))
    ledger = batches.root / ".comfypipe/ledger.sqlite3"
    batches.session(lambda project: project.ledger.runs())

    with file_size_limit(ledger.stat().st_size + 200_000):
        try:
            outcome = batches.run(request)
        except StoreError:
            pass
        else:
            assert isinstance(outcome.error, StoreError)
    ran = len(batches.backend.executions)
    assert 0 < ran < 300
    again = batches.run(request)
    assert [] == [each["error"] for each in batches.results() if each["error"]]
    assert "completed" == again.status
    counts = Counter(batches.backend.executions)
    assert (300, {1}) == (len(counts), set(counts.values()))
    assert 300 == len(batches.results())


def test_checking_many_rows_can_be_cancelled(batches: Batches) -> None:
    """Nobody waits for a file of a million rows to be read to its end; nothing of it is left."""
    request = batches.request(sweep=("count=1:1000000",))

    async def cancelled(project: Project) -> float:
        checking, began = asyncio.Event(), time.monotonic()

        async def check() -> None:
            async with open_batch(project, request, tell=lambda _kind, _about: checking.set()):
                pass

        task = asyncio.ensure_future(check())
        await checking.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        return time.monotonic() - began

    assert 20.0 > batches.session(cancelled)
    assert [] == list((batches.root / ".comfypipe/batches").iterdir())


# Limits, and the end before the end


def test_so_many_runs_and_no_more(batches: Batches) -> None:
    """Each session begins as many as it may; together they do all."""
    request = batches.request(rows=batches.rows(*SUBJECTS))
    outcomes = [batches.run(request, Limits(max_runs=2)) for _ in range(3)]
    assert [("stopped", 2), ("stopped", 4), ("completed", 5)] == [(each.status, each.tally.done) for each in outcomes]
    assert 5 == len(batches.backend.executions)


def test_a_limit_of_cost_needs_prices(batches: Batches) -> None:
    """Without them nobody could say what it has cost."""
    with pytest.raises(UsageError, match="needs prices"):
        batches.run(batches.request(rows=batches.rows(*SUBJECTS)), Limits(max_cost=1.0))


def test_a_batch_stops_before_it_costs_too_much(batches: Batches) -> None:
    """The cost is that of the whole batch, whichever session made it; the estimate keeps it below the limit."""
    (batches.root / "pyproject.toml").write_text("[tool.comfypipe]\n[tool.comfypipe.prices]\ndefault = 10\n")
    request = batches.request(rows=batches.rows(*SUBJECTS))
    first = batches.run(request, Limits(max_runs=1))
    cost = first.tally.cost
    assert cost is not None
    assert cost == batches.results()[0]["cost"] > 0
    limited = batches.run(request, Limits(max_cost=3.5 * cost))
    assert (Stop.COST, 3) == (limited.tally.stop, limited.tally.done)
    assert 3 * cost == pytest.approx(limited.tally.cost)


def test_the_first_run_tells_what_one_costs(batches: Batches) -> None:
    """A batch of which nothing has run yet begins with one row, so that it does not cost too much by the way."""
    (batches.root / "pyproject.toml").write_text("[tool.comfypipe]\n[tool.comfypipe.prices]\ndefault = 10\n")
    outcome = batches.run(batches.request(rows=batches.rows(*SUBJECTS)), Limits(max_cost=6.0, concurrency=5))
    assert (Stop.COST, 2, 5.0) == (outcome.tally.stop, outcome.tally.done, outcome.tally.cost)  # each 0.25 s


def test_no_time_left(batches: Batches) -> None:
    """When the time is up no row is begun."""
    outcome = batches.run(batches.request(rows=batches.rows(*SUBJECTS)), Limits(max_time_s=0.0, concurrency=1))
    assert Stop.TIME == outcome.tally.stop
    assert 5 > outcome.tally.completed


def test_a_stopped_batch_finishes_what_is_in_flight(batches: Batches) -> None:
    """Asked to stop, rows that were begun end well; the others are left."""

    def stop(batch: Batch, kind: str) -> None:
        if kind == "row":
            batch.stop()

    outcome = batches.run(batches.request(rows=batches.rows(*SUBJECTS)), Limits(concurrency=2), during=stop)
    assert ("stopped", Stop.INTERRUPTED, 0) == (outcome.status, outcome.tally.stop, outcome.tally.failed)
    statuses = Counter(each["status"] for each in batches.results())
    assert {"completed": outcome.tally.completed, "skipped": 5 - outcome.tally.completed} == statuses
    assert len(batches.backend.executions) == outcome.tally.completed


def test_a_cancelled_batch_cancels_its_runs(batches: Batches) -> None:
    """On the server too; the same batch goes on with them."""
    batches.backend.hold = True
    request = batches.request(rows=batches.rows(*SUBJECTS))

    def cancel(batch: Batch, kind: str) -> None:
        if kind == "progress":
            batch.cancel()

    outcome = batches.run(request, during=cancel)
    assert ("cancelled", 5) == (outcome.status, len(batches.backend.cancelled))
    assert ["cancelled"] * 5 == [each["status"] for each in batches.results()]
    batches.backend.hold = False
    assert "completed" == batches.run(request).status
    assert 5 == len(batches.backend.executions)


def test_two_processes_do_not_work_on_one_batch(batches: Batches) -> None:
    """The second is refused, and told how to end the first."""
    request = batches.request(rows=batches.rows(*SUBJECTS))

    async def twice(project: Project) -> None:
        async with Project(project.layout) as other, open_batch(project, request), open_batch(other, request):
            pass

    with pytest.raises(UsageError, match="another process works on batch"):
        batches.session(twice)


def test_results_as_parquet(batches: Batches) -> None:
    """A row for each line, with the same values; what differs from row to row is JSON text."""
    outcome = batches.run(batches.request(rows=batches.rows(*SUBJECTS), results="parquet"))
    table = parquet.read_table(batches.root / "out/results.parquet").to_pylist()
    lines = batches.results()
    assert [each["key"] for each in lines] == [each["key"] for each in table]
    assert [each["outputs"] for each in lines] == [json.loads(each["outputs"]) for each in table]
    assert "completed" == outcome.status


def test_a_torn_line_is_dropped(batches: Batches) -> None:
    """What a killed process had half written stands nowhere in the end."""
    request = batches.request(rows=batches.rows(*SUBJECTS))
    batches.run(request, Limits(max_runs=2))
    path = batches.root / "out/results.jsonl"
    path.write_bytes(path.read_bytes() + b'{"schema_version":1,"row":9,"key":"tor')
    batches.run(request)
    assert [1, 2, 3, 4, 5] == [each["row"] for each in batches.results()]
