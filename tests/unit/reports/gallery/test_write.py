"""The page as a file."""

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.batch_results import HOSTILE, write_batch

from comfypipe.errors import StoreError
from comfypipe.reports.gallery.entry import Entry, EntryFile
from comfypipe.reports.gallery.folder import read_folder
from comfypipe.reports.gallery.recorded import with_prompts
from comfypipe.reports.gallery.write import Gallery, Keeping, write_gallery

DATA = re.compile(r'<script type="application/json" id="runs">(.*?)</script>', re.DOTALL)


def data_of(page: Path) -> dict[str, Any]:
    """Return the runs that stand in a page."""
    (found,) = DATA.findall(page.read_text(encoding="utf-8"))
    read: dict[str, Any] = json.loads(found)
    return read


def written(folder: Path, page: Path, keeping: Keeping) -> dict[str, Any]:
    """Write the page of a folder and return the runs in it."""
    report = read_folder(folder)
    write_gallery(Gallery(page, report.title, report.axes, keeping, report.count), report.entries)
    return data_of(page)


def test_files_below_the_page_are_linked_as_they_lie(tmp_path: Path) -> None:
    """A page beside its files names them relatively, and needs nothing else when thumbnails are inside."""
    write_batch(tmp_path)
    runs = written(tmp_path, tmp_path / "report.html", Keeping.AUTO)
    file = runs["entries"][0]["files"][0]
    assert "./picture%20%231.png" == file["src"]
    assert base64.b64decode(file["thumb"].removeprefix("data:image/webp;base64,"))[8:12] == b"WEBP"
    assert not (tmp_path / "report_files").exists()


def test_files_elsewhere_are_brought_beside_the_page(tmp_path: Path) -> None:
    """A page in another folder can be moved together with its files."""
    write_batch(tmp_path / "batch")
    page = tmp_path / "pages" / "look.html"
    file = written(tmp_path / "batch", page, Keeping.BESIDE)["entries"][0]["files"][0]
    brought = (page.parent / file["src"]).read_bytes()
    assert (tmp_path / "batch" / "picture #1.png").read_bytes() == brought
    assert b"WEBP" == (page.parent / file["thumb"]).read_bytes()[8:12]
    assert file["src"].startswith("./look_files/")


def test_an_embedded_page_needs_no_file(tmp_path: Path) -> None:
    """With ``embed`` the picture itself stands in the page."""
    write_batch(tmp_path / "batch")
    page = tmp_path / "page.html"
    file = written(tmp_path / "batch", page, Keeping.EMBED)["entries"][0]["files"][0]
    content = (tmp_path / "batch" / "picture #1.png").read_bytes()
    assert "data:image/png;base64," + base64.b64encode(content).decode() == file["src"]
    assert ["batch", "page.html"] == sorted(path.name for path in tmp_path.iterdir())


def test_nothing_that_a_run_says_ends_the_script_element(tmp_path: Path) -> None:
    """Titles and parameters with markup in them stay data."""
    write_batch(tmp_path)
    page = tmp_path / "page.html"
    write_gallery(Gallery(page, "{{script}}" + HOSTILE), read_folder(tmp_path).entries)
    text = page.read_text(encoding="utf-8")
    assert (HOSTILE, "{{script}}" + HOSTILE) == (
        data_of(page)["entries"][0]["params"]["subject"],
        data_of(page)["title"],
    )
    assert 2 == text.count("</script>")
    assert HOSTILE not in text


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    """The page is written all the same, and says what is missing."""
    write_batch(tmp_path)
    (tmp_path / "picture #2.png").unlink()
    report = read_folder(tmp_path)
    done = write_gallery(Gallery(tmp_path / "page.html", report.title), report.entries)
    assert (6, (tmp_path / "picture #2.png",)) == (done.runs, done.missing)
    assert data_of(tmp_path / "page.html")["entries"][1]["files"][0]["gone"] is True


def test_a_broken_picture_has_no_thumbnail(tmp_path: Path) -> None:
    """What cannot be decoded is shown by its name."""
    path = tmp_path / "x.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    entry = Entry("r", "w", "completed", {}, files=(EntryFile("image", path, "x.png", "image/png", 14),))
    write_gallery(Gallery(tmp_path / "page.html", "t"), [entry])
    assert data_of(tmp_path / "page.html")["entries"][0]["files"][0]["thumb"] is None


def test_a_page_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path) -> None:
    """When reading fails half way, the page of before is whole and nothing else is left."""
    write_batch(tmp_path / "batch")
    page = tmp_path / "page.html"
    page.write_text("before")
    with (tmp_path / "batch" / "results.jsonl").open("a") as results:
        results.write("half a li")
    report = read_folder(tmp_path / "batch")
    with pytest.raises(Exception, match="not JSON"):
        write_gallery(Gallery(page, report.title, keeping=Keeping.INLINE), report.entries)
    assert ("before", ["batch", "page.html"]) == (page.read_text(), sorted(path.name for path in tmp_path.iterdir()))


def test_a_place_that_cannot_be_written_is_an_error_of_the_store(tmp_path: Path) -> None:
    """A folder that is a file is named, without a traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot use"):
        write_gallery(Gallery(tmp_path / "file" / "page.html", "t"), [])


def test_prompts_come_from_elsewhere_where_the_folder_has_none() -> None:
    """Files get the prompt that made them, by run and digest; a run without files gets its own."""
    given = EntryFile("image", Path("x.png"), "x.png", "image/png", 1, "ab" * 32)
    own = EntryFile("image", Path("y.png"), "y.png", "image/png", 1, "cd" * 32, prompt={"1": {"class_type": "Own"}})
    entries = [
        Entry("a", "w", "completed", {}, files=(given, own)),
        Entry("b", "w", "failed", {}),
        Entry("", "w", "invalid", {}),
    ]
    known: dict[str, dict[str | None, Any]] = {
        "a": {"ab" * 32: {"1": {"class_type": "A"}}},
        "b": {None: {"1": {"class_type": "B"}}},
    }
    asked: list[list[str]] = []

    def ask(run_ids: Sequence[str]) -> dict[str, dict[str | None, Any]]:
        asked.append(list(run_ids))
        return known

    first, second, third = with_prompts(entries, ask)
    assert ["A", "Own"] == [file.prompt["1"]["class_type"] for file in first.files if file.prompt]
    assert ({"1": {"class_type": "B"}}, None) == (second.prompt, third.prompt)
    assert [["a", "b"]] == asked
