"""Rows: read a piece at a time, the same rows as all at once."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.errors import InputInvalid, UsageError
from comfypipe.orchestration.rows import Chunk, chunks

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


def csv_file(path: Path, rows: list[dict[str, str]], names: list[str]) -> Path:
    """Write rows as CSV."""
    sink = io.StringIO(newline="")
    writer = csv.DictWriter(sink, names, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(sink.getvalue().encode())
    return path


@given(
    rows=st.lists(st.fixed_dictionaries({"a": TEXT, "b c": TEXT}), max_size=12),
    size=st.integers(1, 5),
    mark=st.booleans(),
)
def test_chunks_of_csv_hold_every_row_once(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]], size: int, mark: bool
) -> None:
    """Whatever cells hold (commas, quotes, line breaks), the chunks together are the rows, empty cells left out."""
    path = csv_file(tmp_path_factory.mktemp("rows") / "rows.csv", rows, ["a", "b c"])
    if mark:
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    found = chunks(path, size)
    assert [{name: cell for name, cell in row.items() if cell} for row in rows] == [
        row for chunk in found for row in chunk.rows()
    ]
    assert [size] * (len(found) - 1) == [chunk.count for chunk in found[:-1]]
    assert len(rows) == sum(chunk.count for chunk in found)


@given(rows=st.lists(st.dictionaries(TEXT, st.integers() | TEXT | st.lists(TEXT)), max_size=12), size=st.integers(1, 5))
def test_chunks_of_jsonl_hold_every_row_once(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]], size: int
) -> None:
    """The chunks of a JSONL file together are its rows, blank lines left out."""
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("\n\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    assert rows == [row for chunk in chunks(path, size) for row in chunk.rows()]


def test_a_chunk_says_where_it_lies(tmp_path: Path) -> None:
    """A chunk is a reference: a path, a number of rows, and where in the file they begin."""
    path = csv_file(tmp_path / "rows.csv", [{"a": "1"}, {"a": "2\n2"}, {"a": "3"}], ["a"])
    assert (
        Chunk(str(path), first=0, count=2),
        Chunk(str(path), first=2, count=1, offset=len(b'"a"\r\n"1"\r\n"2\n2"\r\n'), line=4),
    ) == chunks(path, 2)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("rows.csv", b"a,b\n1,2\n1,2,3\n", ":3:1 3 cells, but 2 names in the first line"),
        ("rows.csv", b'a,b\n1,"2\n', ":2:1 not CSV: unexpected end of data"),
        ("rows.csv", b"a,b\n1,\xff\n", ":2:1 not UTF-8: invalid start byte"),
        ("rows.jsonl", b'{"a": 1}\n[1]\n', ":2:1 the line is not a JSON object"),
        ("rows.jsonl", b'{"a": 1}\n{"a"\n', ":2:1 not JSON: Expecting ':' delimiter: line 2 column 1 (char 5)"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    """A line that cannot be read is an error with its number, also when it lies in a later chunk."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputInvalid) as caught:
        chunks(path, 1)
    assert f"{path}{expected}" == str(caught.value)


def test_a_bad_line_of_a_later_chunk_is_named(tmp_path: Path) -> None:
    """Line numbers count from the beginning of the file, not of the chunk."""
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a": 2}\n{"a": 3}\n')
    last = chunks(path, 1)[-1]
    path.write_text('{"a": 1}\n{"a": 2}\n{"a": !}\n')
    with pytest.raises(InputInvalid, match=r"rows\.jsonl:3:1 not JSON"):
        list(last.rows())


@pytest.mark.parametrize("name", ["rows.xlsx", "none.csv"])
def test_a_file_that_is_not_there_or_not_known(tmp_path: Path, name: str) -> None:
    """No file, or one of another kind, is a usage error."""
    (tmp_path / "rows.xlsx").touch()
    with pytest.raises(UsageError):
        chunks(tmp_path / name, 5)


@pytest.mark.parametrize("content", [b"", b"a,b\n", b"\xef\xbb\xbf", b"\n\n"])
def test_no_rows_are_no_chunks(tmp_path: Path, content: bytes) -> None:
    """A file with nothing in it, or names only, has no chunks."""
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    assert () == chunks(path, 5)
