"""Which file a loading node means."""

import hashlib
from pathlib import Path

import pytest

from comfypipe.engine import loading
from comfypipe.engine.loading import file_digest, is_file, resolve_file, split_annotation
from comfypipe.engine.registry import Folders


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Return three folders with a file ``a/b.png`` in each."""
    made = Folders(tmp_path / "input", tmp_path / "output", tmp_path / "temp")
    for folder in (made.input, made.output, made.temp):
        (folder / "a").mkdir(parents=True)
        (folder / "a/b.png").write_text(folder.name)
    return made


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.png", ("a.png", "input")),
        ("a.png [input]", ("a.png", "input")),
        ("x/a.png [output]", ("x/a.png", "output")),
        ("a.png[temp]", ("a.png", "temp")),
        ("a [x].png", ("a [x].png", "input")),
    ],
)
def test_annotations_name_the_folder(name: str, expected: tuple[str, str]) -> None:
    """A trailing ``[input]``, ``[output]`` or ``[temp]`` names the folder; anything else is part of the name."""
    assert expected == split_annotation(name)


def test_files_are_found_below_the_named_folder(folders: Folders) -> None:
    """The annotation chooses the folder, sub-folders included."""
    names = ["a/b.png", "a/b.png [output]", "a/b.png [temp]"]
    assert ["input", "output", "temp"] == [resolve_file(name, folders).read_text() for name in names]


@pytest.mark.parametrize("name", ["../output/a/b.png", "/etc/passwd", "a/../../output/a/b.png", "", ".", "a\0b"])
def test_no_name_leaves_its_folder(name: str, folders: Folders) -> None:
    """Escapes, absolute paths and the folder itself are refused."""
    with pytest.raises(ValueError, match="not a path below the input folder"):
        resolve_file(name, folders)
    assert not is_file(name, folders)


def test_a_missing_file_is_named(folders: Folders) -> None:
    """The error names file and folder; a folder is no file."""
    with pytest.raises(FileNotFoundError, match=r"no such file in the temp folder: a \[temp\]"):
        resolve_file("a [temp]", folders)
    assert not is_file("a/c.png", folders)


def test_the_digest_is_the_sha256_of_the_bytes(folders: Folders) -> None:
    """A loaded file is known by its content."""
    assert hashlib.sha256(b"input").hexdigest() == file_digest(resolve_file("a/b.png", folders))


def test_a_file_that_stayed_as_it_was_is_read_once(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was written just now is read each time, as it may change again within what a clock can tell."""
    path = folders.input / "a/b.png"
    known = loading._known_digest
    before = known.cache_info()
    assert hashlib.sha256(b"input").hexdigest() == file_digest(path) == file_digest(path)
    assert before == known.cache_info()
    monkeypatch.setattr(loading, "_RACY_S", -1.0)  # as if some time had gone by
    assert hashlib.sha256(b"input").hexdigest() == file_digest(path) == file_digest(path)
    assert (before.misses + 1, before.hits + 1) == (known.cache_info().misses, known.cache_info().hits)
    path.write_text("other")
    assert hashlib.sha256(b"other").hexdigest() == file_digest(path)
