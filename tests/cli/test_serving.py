"""``comfypipe serve``: what keeps it from starting is told in two lines, and by the exit status."""

from pathlib import Path

import pytest
from filelock import FileLock
from tests.cli.conftest import Type


def test_a_folder_that_is_served_already(here: Path, typed: Type) -> None:
    """A second process in the same folder says so, without a trace of frames, and ends with status 2."""
    folder = here / "d"
    folder.mkdir()
    with FileLock(folder / "serve.lock"):
        refused = typed("serve", "--no-auth", "--data", "d", "--port", "0")
    said = "another process serves from d\n  hint: end it, or take another folder: --data DIR\n"
    assert (2, "", said) == (refused.status, refused.out, refused.err)


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (("--keep", "12h"), 2, "--keep 12h is less than a day"),
        (("--keep", "soon"), 2, '"soon" is no length of time'),
        (("--comfyui", "nowhere"), 2, "Invalid value for '--comfyui': Directory 'nowhere' does not exist."),
        (("--backend", "nowhere"), 2, 'no backend is called "nowhere"'),
        (("--db", "sqlite:///file/s.sqlite3"), 1, "cannot"),
    ],
)
def test_what_cannot_be_opened(here: Path, typed: Type, options: tuple[str, ...], status: int, said: str) -> None:
    """A backend or a database that cannot be had is one message, before anything is served."""
    (here / "file").touch()
    refused = typed("serve", "--no-auth", "--data", "d", "--port", "0", *options)
    assert (status, "") == (refused.status, refused.out)
    assert said in refused.err.splitlines()[0]
    assert "Traceback" not in refused.err
