"""The page of the engine's nodes is what the registry says."""

import subprocess
import sys
from pathlib import Path


def test_the_page_is_current(root: Path) -> None:
    """The script that writes the page finds nothing to change."""
    done = subprocess.run(
        [sys.executable, "scripts/node_table.py", "--check"], cwd=root, capture_output=True, check=False
    )
    assert (0, b"") == (done.returncode, done.stderr)
