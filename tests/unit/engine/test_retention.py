"""The bound on what the engine leaves on the disk."""

import os
import time
from pathlib import Path

import pytest

from comfypipe.engine.executor import Engine
from comfypipe.engine.registry import Folders
from comfypipe.engine.retention import Retention
from comfypipe.testing import picture_prompt


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder that has a bound."""
    made = tmp_path / "output"
    made.mkdir()
    return made


def write(path: Path, size_bytes: int, age_s: float) -> Path:
    """Write a file that was last used some time ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size_bytes))
    used = time.time() - age_s
    os.utime(path, (used, used))
    return path


def names(folder: Path) -> set[str]:
    """Return what is left."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_oldest_files_go_first(folder: Path) -> None:
    """Until a tenth of the bound is free; folders that are empty then go too."""
    for age, name in ((400, "a/1"), (300, "a/2"), (200, "b/3"), (100, "b/4")):
        write(folder / name, 100, age)
    Retention([folder], 250).added([])
    assert {"b", "b/3", "b/4"} == names(folder)


def test_nothing_goes_below_the_bound(folder: Path) -> None:
    """However old it is."""
    write(folder / "1", 250, 1e6)
    Retention([folder], 250).added([])
    assert {"1"} == names(folder)


def test_young_files_stay(folder: Path) -> None:
    """Also beyond the bound: somebody may be about to fetch them."""
    write(folder / "old", 100, 100)
    write(folder / "new", 1000, 1)
    Retention([folder], 250).added([])
    assert {"new"} == names(folder)


def test_new_files_are_added_up(folder: Path) -> None:
    """What is there is counted once; later only what comes is."""
    retention = Retention([folder], 250)
    retention.added([write(folder / "1", 200, 500)])
    unknown = write(folder / "2", 200, 400)
    assert {"1", "2"} == names(folder)
    retention.added([unknown])
    assert {"2"} == names(folder)


def test_files_that_are_gone_do_no_harm(folder: Path) -> None:
    """Somebody else may have removed what was just written."""
    retention = Retention([folder], 250)
    retention.added([])
    retention.added([folder / "gone"])
    assert set() == names(folder)


def test_engine_keeps_to_it(tmp_path: Path) -> None:
    """After each run, in output and temp; what is older goes, what the run saved stays."""
    folders = Folders(tmp_path / "input", tmp_path / "output", tmp_path / "temp")
    engine = Engine(folders, output_bytes=100)
    write(folders.output / "old.png", 1000, 500)
    write(folders.temp / "old.png", 1000, 500)
    write(folders.input / "kept.png", 1000, 500)
    assert engine.run(picture_prompt(1, prefix="new"), prompt_id="p").succeeded
    assert ({"new_00001_.png"}, set(), {"kept.png"}) == tuple(
        names(each) for each in (folders.output, folders.temp, folders.input)
    )


def test_engine_keeps_everything_otherwise(tmp_path: Path) -> None:
    """As ComfyUI does."""
    folders = Folders(tmp_path / "input", tmp_path / "output", tmp_path / "temp")
    write(folders.output / "old.png", 1000, 500)
    Engine(folders).run(picture_prompt(1, prefix="new"), prompt_id="p")
    assert {"old.png", "new_00001_.png"} == names(folders.output)
