"""A disk that is really full."""

import subprocess
import sys
from pathlib import Path

import pytest

MOUNT = 'mount -t tmpfs -o size=400k tmpfs "$1" && cd "$3" && exec "$2" -m tests.unit.store.full_disk "$1"'
HINT = "free some space and run the same command again: it goes on where it was, nothing stored is lost"


def test_what_was_stored_before_the_disk_was_full_is_there_after(tmp_path: Path) -> None:
    """On a file system without room every write is an error with a hint; with room again nothing is missing."""
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", str(tmp_path), sys.executable]
    try:
        probe = subprocess.run(["unshare", "--map-root-user", "--mount", "true"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("needs unshare, to mount a small disk")
    if probe.returncode:
        pytest.skip("this machine does not let a test mount a small disk")
    result = subprocess.run([*command, str(Path(__file__).parents[3])], capture_output=True, text=True, check=False)
    expected = f"ledger: {HINT}\nartifacts: {HINT}\nstored: True, kept: True, left over: []\n"
    assert (expected, "", 0) == (result.stdout, result.stderr, result.returncode)
