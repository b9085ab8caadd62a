"""Our own service in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def own_service(folder: Path, *options: str) -> Iterator[str]:
    """
    Run ``comfypipe serve`` without keys while the block lasts, and give its base URL.

    Args:
        folder: Where it keeps its files.
    """
    command = [sys.executable, "-m", "comfypipe", "serve", "--json", "--quiet", "--port", "0", "--no-auth"]
    command += ["--data", str(folder / "data"), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["base_url"]
        finally:
            process.terminate()
