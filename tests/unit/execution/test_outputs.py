"""Outputs in a folder of the user's: names, provenance, and what was there before."""

import hashlib
import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.store.limits import file_size_limit

from comfypipe.errors import ArtifactMissing, StoreError
from comfypipe.execution.outputs import export_run, safe_stem
from comfypipe.execution.records import Output, Run, files_in

MADE = {"run": "0q3k7f2a0001", "step": "sheet", "prompt": {"1": {}}}


@pytest.fixture
def stored(tmp_path: Path) -> "Store":
    """Return a place for stored files."""
    return Store(tmp_path / "artifacts")


class Store:
    """Makes stored files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def file(self, content: bytes, filename: str = "ComfyUI_00001_.png", media_type: str = "image/png") -> Output:
        """Return a stored file."""
        digest = hashlib.sha256(content).hexdigest()
        (self.folder / digest).write_bytes(content)
        return Output(self.folder / digest, filename, digest, len(content), media_type)


def a_run(**outputs: Any) -> Run:
    """Return a completed run with these outputs."""
    return Run(
        id="0q3k7f2a0001",
        name="product_card",
        kind="Pipeline",
        status="completed",
        backend="embedded:",
        plan_digest="p" * 64,
        inputs={"seed": 7},
        outputs=outputs,
        steps=(),
        started_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        ended_at=datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC),
    )


def names(folder: Path) -> list[str]:
    """Return the names in *folder*."""
    return sorted(path.name for path in folder.iterdir())


def test_one_file_takes_the_outputs_name(stored: Store, tmp_path: Path) -> None:
    """The file is called as its output is, with its own suffix; the run that comes back knows where it is."""
    run = export_run(a_run(sheet=stored.file(b"sheet")), tmp_path / "out", {})
    assert ["sheet.json", "sheet.png"] == names(tmp_path / "out")
    assert (tmp_path / "out" / "sheet.png", "sheet.png") == (run.outputs["sheet"].path, run.outputs["sheet"].filename)
    assert b"sheet" == run.outputs["sheet"].path.read_bytes()


def test_what_a_killed_export_left_is_removed_after_an_hour(stored: Store, tmp_path: Path) -> None:
    """Only what bears our own kind of name and is no link: a young one may still be written, others are the user's."""
    out, old = tmp_path / "out", time.time() - 3700
    out.mkdir()
    ours, young, theirs = ".0123456789abcdef.partial", ".1123456789abcdef.partial", "0123456789abcdef.partial"
    for name in (ours, young, theirs, ".film.partial"):
        (out / name).write_bytes(b"half")
    (out / ".2123456789abcdef.partial").mkdir()
    for name in (ours, theirs, ".film.partial", ".2123456789abcdef.partial"):
        os.utime(out / name, (old, old))
    export_run(a_run(sheet=stored.file(b"sheet")), out, {})
    left = [
        ".1123456789abcdef.partial",
        ".2123456789abcdef.partial",
        ".film.partial",
        theirs,
        "sheet.json",
        "sheet.png",
    ]
    assert left == names(out)


def test_several_files_are_numbered(stored: Store, tmp_path: Path) -> None:
    """Files of a fan-out, however nested, are numbered through, from 01."""
    run = a_run(image=((stored.file(b"1"), stored.file(b"2")), stored.file(b"3", "x.JPG", "image/jpeg")))
    exported = export_run(run, tmp_path / "out", {})
    files = ["image-01.png", "image-02.png", "image-03.jpg"]
    assert files == [file.filename for file in files_in(exported.outputs["image"])]
    assert sorted([*files, "image-01.json", "image-02.json", "image-03.json"]) == names(tmp_path / "out")


def test_provenance_stands_beside_the_file(stored: Store, tmp_path: Path) -> None:
    """NAME.json says which file, which run with which inputs, and which job with which prompt."""
    file = stored.file(b"sheet")
    export_run(a_run(sheet=file), tmp_path / "out", {file.sha256: MADE})
    expected = {
        "schema_version": 1,
        "output": "sheet",
        "file": {
            "filename": "ComfyUI_00001_.png",
            "sha256": file.sha256,
            "size_bytes": 5,
            "media_type": "image/png",
        },
        "run": {
            "id": "0q3k7f2a0001",
            "name": "product_card",
            "kind": "Pipeline",
            "plan_digest": "p" * 64,
            "backend": "embedded:",
            "inputs": {"seed": 7},
            "simulated": False,
            "continues": None,
            "started_at": "2026-01-02T03:04:05+00:00",
            "ended_at": "2026-01-02T03:04:06+00:00",
        },
        "job": MADE,
    }
    assert expected == json.loads((tmp_path / "out" / "sheet.json").read_text())


def test_the_same_file_is_not_written_twice(stored: Store, tmp_path: Path) -> None:
    """Exporting the same bytes again changes nothing, and the provenance of the first run stays."""
    export_run(a_run(sheet=stored.file(b"sheet")), tmp_path / "out", {})
    before = (tmp_path / "out" / "sheet.json").read_bytes()
    run = export_run(replace(a_run(sheet=stored.file(b"sheet")), id="later"), tmp_path / "out", {})
    assert (["sheet.json", "sheet.png"], before) == (
        names(tmp_path / "out"),
        (tmp_path / "out" / "sheet.json").read_bytes(),
    )
    assert "sheet.png" == run.outputs["sheet"].filename


@pytest.mark.parametrize("taken", ["sheet.png", "sheet.json"])
def test_other_files_are_never_overwritten(stored: Store, tmp_path: Path, taken: str) -> None:
    """Where the name of the file, or of its provenance, is taken by something else, both get a number."""
    out = tmp_path / "out"
    out.mkdir()
    (out / taken).write_text("mine")
    run = export_run(a_run(sheet=stored.file(b"sheet")), out, {})
    assert sorted([taken, "sheet_2.json", "sheet_2.png"]) == names(out)
    assert ("mine", "sheet_2.png") == ((out / taken).read_text(), run.outputs["sheet"].filename)


def test_a_folder_or_dangling_link_of_that_name_is_left_alone(stored: Store, tmp_path: Path) -> None:
    """What is no file counts as something else."""
    out = tmp_path / "out"
    (out / "sheet.png").mkdir(parents=True)
    (out / "sheet_2.png").symlink_to(tmp_path / "nowhere")
    run = export_run(a_run(sheet=stored.file(b"sheet")), out, {})
    assert "sheet_3.png" == run.outputs["sheet"].filename
    assert not (tmp_path / "nowhere").exists()


def test_names_that_differ_in_case_do_not_collide(stored: Store, tmp_path: Path) -> None:
    """Outputs whose names are one on some file systems get names of their own everywhere."""
    run = export_run(a_run(Image=stored.file(b"1"), image=stored.file(b"2")), tmp_path / "out", {})
    assert ["Image.png", "image_2.png"] == [value.filename for value in run.outputs.values()]


def test_an_output_that_is_json_keeps_its_name(stored: Store, tmp_path: Path) -> None:
    """The provenance of a JSON file is called otherwise."""
    export_run(a_run(pose=stored.file(b"{}", "pose.json", "application/json")), tmp_path / "out", {})
    assert ["pose.json", "pose.provenance.json"] == names(tmp_path / "out")


def test_plain_values_are_written_too(tmp_path: Path) -> None:
    """Texts and numbers become text files, lists and objects JSON; what is not there becomes nothing."""
    run = a_run(caption="a cat\nasleep", count=7, poses=[{"x": 1}], nothing=None)
    exported = export_run(run, tmp_path / "out", {})
    out = tmp_path / "out"
    assert ["caption.json", "caption.txt", "count.json", "count.txt", "poses.data.json", "poses.json"] == names(out)
    assert ("a cat\nasleep\n", "7\n") == ((out / "caption.txt").read_text(), (out / "count.txt").read_text())
    assert [{"x": 1}] == json.loads((out / "poses.data.json").read_text())
    assert run.outputs == exported.outputs


def test_a_stored_file_that_is_gone_is_named(stored: Store, tmp_path: Path) -> None:
    """Exporting what the store lost is an error, and leaves no empty file."""
    file = stored.file(b"sheet")
    file.path.unlink()
    with pytest.raises(ArtifactMissing):
        export_run(a_run(sheet=file), tmp_path / "out", {})
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_nothing_half_written(stored: Store, tmp_path: Path) -> None:
    """When there is no room the error says so, and the folder has no part of a file."""
    file = stored.file(b"x" * 5000)
    with file_size_limit(1000), pytest.raises(StoreError, match="free some space"):
        export_run(a_run(sheet=file), tmp_path / "out", {})
    assert [] == names(tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("the sheet", "the_sheet"),
        ("../../etc/passwd", "etc_passwd"),
        ("", "output"),
        ("...", "output"),
        ("con", "_con"),
        ("COM1", "_COM1"),
        ("größe", "größe"),
    ],
)
def test_names_are_made_safe(name: str, expected: str) -> None:
    """No name leads out of the folder, or means a device."""
    assert expected == safe_stem(name)


@given(st.text())
def test_no_name_leaves_the_folder(name: str) -> None:
    """Whatever an output is called, its file name is one plain path component."""
    stem = safe_stem(name)
    assert Path(stem).name == stem
    assert not set(stem) & set('/\\:*?"<>|\0')
