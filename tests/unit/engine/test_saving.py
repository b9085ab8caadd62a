"""Where saving nodes write."""

import time
from pathlib import Path

import pytest

from comfypipe.engine.saving import SaveLocation, save_location, written


def _clock() -> time.struct_time:
    return time.struct_time((2031, 2, 3, 4, 5, 6, 0, 34, 0))


def _names(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


def _write_half(path: Path) -> None:
    path.write_text("half")
    raise OSError("disk full")


def test_a_first_file_gets_number_one(tmp_path: Path) -> None:
    """An empty folder starts at 1, and the folder is made."""
    location = save_location("ComfyUI", tmp_path / "output")
    assert SaveLocation(tmp_path / "output", "ComfyUI", 1, "", "ComfyUI") == location
    assert ["ComfyUI_00001_.png", "ComfyUI_00003_.png"] == [location.name("png"), location.name("png", 2)]


def test_the_counter_goes_on_from_the_highest(tmp_path: Path) -> None:
    """Only files of exactly this prefix count, whatever their extension."""
    _names(tmp_path, "a_00002_.png", "a_00011_.webp", "a_b_00099_.png", "aa_00050_.png", "a_x_.png", "a_00070.png", "a")
    assert 12 == save_location("a", tmp_path).counter
    assert 100 == save_location("a_b", tmp_path).counter


def test_sub_folders_are_made_and_told(tmp_path: Path) -> None:
    """A prefix with folders is normalised; clients are told the sub-folder."""
    location = save_location("x//y/./z", tmp_path)
    assert (tmp_path / "x/y", "z", "x/y") == (location.folder, location.filename, location.subfolder)
    assert location.folder.is_dir()


def test_tokens_are_filled_from_size_and_clock(tmp_path: Path) -> None:
    """All tokens that a server knows are filled in, zero padded; those of the front end stay."""
    prefix = "%year%-%month%-%day%/%hour%%minute%%second%_%width%x%height%_%date:yy%_%Node.seed%"
    location = save_location(prefix, tmp_path, 640, 48, _clock)
    assert ("2031-02-03", "040506_640x48_%date:yy%_%Node.seed%") == (location.subfolder, location.filename)


def test_batch_numbers_are_filled_for_each_file_and_never_written_over(tmp_path: Path) -> None:
    """``%batch_num%`` is the item's index, and files of earlier runs count whatever their number was."""
    location = save_location("b%batch_num%_x", tmp_path)
    assert ["b0_x_00001_.png", "b1_x_00002_.png"] == [location.name("png", index) for index in range(2)]
    _names(tmp_path, "b0_x_00001_.png", "b1_x_00002_.png")
    assert "b0_x_00003_.png" == save_location("b%batch_num%_x", tmp_path).name("png", 0)


def test_a_file_of_a_whole_batch_has_no_batch_number(tmp_path: Path) -> None:
    """The token stays, as ComfyUI leaves it in the names of videos, animations and latents."""
    assert "b%batch_num%_x_00001_.webp" == save_location("b%batch_num%_x", tmp_path).name("webp")


@pytest.mark.parametrize("prefix", ["../a", "a/../../b", "/etc/a", "x/../../out-side/a"])
def test_a_prefix_cannot_leave_the_folder(prefix: str, tmp_path: Path) -> None:
    """Escapes raise before anything is made."""
    with pytest.raises(Exception, match="outside the output folder is not allowed"):
        save_location(prefix, tmp_path / "out")
    assert [] == list(tmp_path.iterdir())


def test_a_failed_write_leaves_nothing_and_harms_nothing(tmp_path: Path) -> None:
    """What stood there before stays when writing fails, without a half file beside it."""
    target = tmp_path / "a.txt"
    target.write_text("before")
    with pytest.raises(OSError, match="disk full"), written(target) as partial:
        _write_half(partial)
    assert {"a.txt": "before"} == {each.name: each.read_text() for each in tmp_path.iterdir()}


def test_a_write_that_went_well_is_in_place(tmp_path: Path) -> None:
    """The temporary file has the suffix of its target and becomes it."""
    with written(tmp_path / "a.txt") as partial:
        assert ".txt" == partial.suffix
        partial.write_text("whole")
    assert {"a.txt": "whole"} == {each.name: each.read_text() for each in tmp_path.iterdir()}
