"""Files that nodes show."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.engine.files import file_path, files_exist, shown_files
from comfypipe.engine.registry import Folders

FOLDERS = Folders(Path("/engine/input"), Path("/engine/output"), Path("/engine/temp"))


def test_files_are_found_under_any_key() -> None:
    """Whatever the key, an entry with a file name is a file; the rest is not."""
    picture = {"filename": "a.png", "subfolder": "", "type": "output"}
    ui = {"images": [picture], "animated": [True], "own": [picture, {"a": 1}], "text": ["filename"], "odd": 5}
    assert [("images", picture), ("own", picture)] == list(shown_files(ui))


@given(st.text(), st.text(), st.sampled_from(["input", "output", "temp"]))
def test_no_name_leads_out_of_its_folder(filename: str, subfolder: str, kind: str) -> None:
    """A path lies below its folder, or there is none."""
    try:
        path = file_path(filename, subfolder, kind, FOLDERS)
    except ValueError:
        return
    assert path.is_relative_to(f"/engine/{kind}")


@pytest.mark.parametrize(
    ("filename", "subfolder", "kind"),
    [("../x", "", "output"), ("x", "..", "temp"), ("/etc/x", "", "input"), ("x", "/etc", "input"), ("x", "", "models")],
)
def test_ways_out_are_refused(filename: str, subfolder: str, kind: str) -> None:
    """Upwards, absolute, another folder."""
    with pytest.raises(ValueError, match="folder"):
        file_path(filename, subfolder, kind, FOLDERS)


def test_existence_is_only_asked_of_our_own_folders(tmp_path: Path) -> None:
    """A file that is gone is missed; one that a node keeps elsewhere is its own business."""
    folders = Folders(tmp_path / "input", tmp_path / "output", tmp_path / "temp")
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "a.png").touch()
    assert files_exist(None, folders)
    assert files_exist({"images": [{"filename": "a.png", "subfolder": "", "type": "output"}]}, folders)
    assert not files_exist({"images": [{"filename": "b.png", "subfolder": "", "type": "output"}]}, folders)
    assert files_exist({"images": [{"filename": "b.png", "subfolder": "", "type": "cloud"}]}, folders)
