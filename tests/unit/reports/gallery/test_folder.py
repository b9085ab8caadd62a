"""Reading a folder's runs."""

import json
from pathlib import Path

import pytest
from tests.batch_results import FAILED_ROW, prompt, write_batch

from comfypipe.errors import ReportUnreadable
from comfypipe.reports.gallery.entry import EntryFile
from comfypipe.reports.gallery.folder import read_folder


def test_a_batch_is_read_row_by_row(tmp_path: Path) -> None:
    """Title, axes and every row come from what the batch wrote; prompts from the provenance beside the files."""
    write_batch(tmp_path)
    report = read_folder(tmp_path)
    entries = list(report.entries)
    assert ("lighthouses", ("steps", "sampler"), 6) == (report.title, report.axes, report.count)
    assert [1, 2, 3, 4, 5, 6] == [entry.row for entry in entries]
    assert (prompt(10, "dpmpp_2m"), "lighthouse", "embedded:") == (
        entries[1].files[0].prompt,
        entries[1].name,
        entries[1].facts["backend"],
    )
    failed = entries[FAILED_ROW - 1]
    assert ("failed", "out of memory", ()) == (failed.status, (failed.error or {})["message"], failed.files)


def test_a_folder_without_results_is_read_by_its_provenance(tmp_path: Path) -> None:
    """What `run --out` leaves is enough: the files say which run made them."""
    write_batch(tmp_path)
    for name in ("results.jsonl", "batch.json"):
        (tmp_path / name).unlink()
    entries = list(read_folder(tmp_path).entries)
    assert ["run00001", "run00002", "run00003", "run00005", "run00006"] == [entry.id for entry in entries]
    path, file = tmp_path / "picture #1.png", entries[0].files[0]
    size_bytes = path.stat().st_size
    assert file == EntryFile("image", path, path.name, "image/png", size_bytes, file.sha256, prompt(10, "euler"))
    assert 60.0 == entries[0].seconds


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    """Somebody else's files are no runs, and the error says what would be."""
    (tmp_path / "package.json").write_text('{"name": "x"}')
    with pytest.raises(ReportUnreadable, match="holds no runs"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"row": 7, "sta', "not JSON"),
        ("[]", "not a JSON object"),
        ('{"row": 7}', "not a result"),
        ('{"status": "completed", "outputs": {"x": [{"path": "../../etc/passwd"}]}}', "outside the folder"),
        ('{"status": "completed", "outputs": {"x": [{"path": "/etc/passwd"}]}}', "outside the folder"),
        ('{"status": "completed", "outputs": 5}', "not a result"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    """A line that is no result stops the report with its number, and no file outside the folder is looked at."""
    write_batch(tmp_path)
    with (tmp_path / "results.jsonl").open("a") as results:
        results.write(f"{line}\n")
    with pytest.raises(ReportUnreadable, match=message) as caught:
        list(read_folder(tmp_path).entries)
    assert 7 == (caught.value.source and caught.value.source.line)


def test_numbers_that_json_lacks_become_nothing(tmp_path: Path) -> None:
    """A NaN that a program wrote does not break the page."""
    (tmp_path / "results.jsonl").write_text(json.dumps({"status": "completed", "params": {"cfg": float("nan")}}))
    assert {"cfg": None} == next(read_folder(tmp_path).entries).params
