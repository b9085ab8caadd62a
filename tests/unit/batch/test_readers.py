"""Rows as files hold them."""

import csv
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from comfypipe.batch.lines import LONGEST_LINE_BYTES, Place
from comfypipe.batch.readers import Record, read
from comfypipe.errors import InputInvalid, UsageError


def write(path: Path, content: str | bytes) -> Path:
    """Write a file of rows."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def values(path: Path, begin: Place | None = None) -> list[dict[str, Any]]:
    """Return the rows that are ones."""
    return [each.values for each in read(path, begin or Place()) if each.problem is None]


def test_a_csv_file_has_a_row_a_line(tmp_path: Path) -> None:
    """Cells are text by the names of the first line; empty ones are left out, so are empty lines and a BOM."""
    path = write(tmp_path / "rows.csv", b"\xef\xbb\xbfname,size\r\na lighthouse,512\r\n\r\na boat,\r\n")
    assert [
        Record(Place(14, 1), 2, {"name": "a lighthouse", "size": "512"}),
        Record(Place(34, 3), 4, {"name": "a boat"}),
    ] == list(read(path))


def test_a_cell_may_have_several_lines(tmp_path: Path) -> None:
    """The line of a row is its first one."""
    path = write(tmp_path / "rows.csv", 'name\n"a\nb"\nc\n')
    assert [(2, {"name": "a\nb"}), (4, {"name": "c"})] == [(each.line, each.values) for each in read(path)]


def test_a_tsv_file_parts_cells_with_tabs(tmp_path: Path) -> None:
    """A comma in it is a comma."""
    assert [{"a": "1,5", "b": "2"}] == values(write(tmp_path / "rows.tsv", "a\tb\n1,5\t2\n"))


def test_a_jsonl_file_has_an_object_a_line(tmp_path: Path) -> None:
    """Values keep their types."""
    path = write(tmp_path / "rows.jsonl", '{"a": 1, "b": [true, null]}\n\n{"a": "x"}')
    assert [{"a": 1, "b": [True, None]}, {"a": "x"}] == values(path)


def test_a_parquet_file_has_plain_values(tmp_path: Path) -> None:
    """Nulls are left out; what JSON does not have becomes text; the line is the row's number."""
    table = pa.table({"a": [1, None, 3], "day": pa.array([0, 1, 2], pa.date32()), "l": [["x"], [], None]})
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=2)
    assert [
        Record(Place(0, 0), 1, {"a": 1, "day": "1970-01-01", "l": ["x"]}),
        Record(Place(1, 1), 2, {"day": "1970-01-02", "l": []}),
        Record(Place(2, 2), 3, {"a": 3, "day": "1970-01-03"}),
    ] == list(read(tmp_path / "rows.parquet"))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_reading_goes_on_from_any_row(tmp_path: Path, suffix: str) -> None:
    """From the place of a record on, the same records come as from the beginning."""
    rows = [{"n": str(number), "t": "a\nb" * (number % 2) or "x"} for number in range(7)]
    path = tmp_path / f"rows{suffix}"
    if suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path, row_group_size=3)
    elif suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["n", "t"])
            writer.writeheader()
            writer.writerows(rows)
    else:
        write(path, "".join(f'{{"n": "{row["n"]}"}}\n' for row in rows))
    whole = list(read(path))
    for index, record in enumerate(whole):
        assert whole[index:] == list(read(path, record.place))


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", "a\n1,2\nok\n", "2 cells, but 1 names in the first line"),
        ("a.csv", 'a\n"x"y\nok\n', "not CSV: ',' expected after '\"'"),
        ("a.csv", b"a\n\xff\nok\n", "not UTF-8: invalid start byte"),
        ("a.csv", "a\n" + "x" * 200_000 + "\nok\n", "a cell is longer than 131072 characters: is a quote not closed?"),
        ("a.jsonl", '{"a": \n{"a": "ok"}\n', "not JSON: "),
        ("a.jsonl", '[1]\n{"a": "ok"}\n', "the line is not a JSON object"),
        ("a.jsonl", '{"a": NaN}\n{"a": "ok"}\n', "not JSON: "),
    ],
)
def test_a_line_that_is_no_row_is_told_and_passed_over(
    tmp_path: Path, name: str, content: str | bytes, problem: str
) -> None:
    """The record says what is wrong, at its line; the rows after it are read."""
    bad, good = list(read(write(tmp_path / name, content)))
    assert bad.problem is not None
    assert bad.problem.startswith(problem)
    assert ({"a": "ok"}, None) == (good.values, good.problem)


def test_a_quote_that_is_never_closed_does_not_swallow_the_file(tmp_path: Path) -> None:
    """Its row is lost, and what a cell may hold at most after it; not the rest."""
    path = write(tmp_path / "rows.csv", 'a\n"open\n' + "x\n" * 200_000)
    bad, *rest = read(path)
    assert "is a quote not closed?" in str(bad.problem)
    assert 100_000 < len(rest)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty: its first line names the columns"),
        ("a,b,a\n", 'two columns are called "a"'),
        ("a,,\n", "two columns have no name"),
        (b"\xff\xfe\n", "the first line names no columns: not UTF-8: invalid start byte"),
    ],
)
def test_a_csv_file_needs_names(tmp_path: Path, content: str | bytes, message: str) -> None:
    """Without names of columns there are no rows."""
    path = write(tmp_path / "rows.csv", content)
    with pytest.raises(InputInvalid) as caught:
        list(read(path))
    assert (message, f"{path}:1:1") == (caught.value.message, str(caught.value.source))


@pytest.mark.parametrize("name", ["rows.xlsx", "missing.csv"])
def test_what_cannot_be_read_is_a_usage_error(tmp_path: Path, name: str) -> None:
    """A file of another kind, and one that is not there."""
    with pytest.raises(UsageError):
        list(read(tmp_path / name))


def test_a_file_that_only_claims_to_be_parquet_is_a_usage_error(tmp_path: Path) -> None:
    """What pyarrow says of it is passed on."""
    with pytest.raises(UsageError, match="is not Parquet"):
        list(read(write(tmp_path / "rows.parquet", "name\n")))


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_a_gigabyte_without_a_line_end_is_not_held(tmp_path: Path, name: str) -> None:
    """A line that is far too long costs bounded memory, and is one problem."""
    path = write(tmp_path / name, b"name\n" if name.endswith("csv") else b'{"name": "x"}\n')
    with path.open("r+b") as file:
        os.ftruncate(file.fileno(), 1 << 30)  # sparse: zeros that take no room
    tracemalloc.start()
    try:
        problems = [each.problem for each in read(path) if each.problem is not None]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert ["the line is longer than 16 MiB"] == problems
    assert 5 * LONGEST_LINE_BYTES > peak


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1, max_size=20)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=20))
def test_what_the_csv_module_writes_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    """Any text comes back as it was."""
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["a", "b"], *rows])
    assert [{"a": a, "b": b} for a, b in rows] == values(path)
