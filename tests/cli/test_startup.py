"""Commands answer at once: what is heavy is imported by those that need it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"prefect", "fastapi", "starlette", "pydantic", "sqlalchemy", "alembic", "numpy", "PIL", "av", "scipy", "httpx"}
PROGRAM = """
import contextlib, io, json, sys
from comfypipe.cli.main import run
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    status = run(sys.argv[1:])
print(json.dumps([status, sorted({name.partition('.')[0] for name in sys.modules})]))
"""


@pytest.mark.parametrize(
    "command", ["--help", "list", "show recolour", "render product_card", "validate", "run --help", "schema"]
)
def test_light_commands_import_nothing_heavy(command: str, examples: Path) -> None:
    """None of these pulls in Prefect, a web framework, a database or pixels."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command.split()], capture_output=True, text=True, check=True, cwd=examples
    )
    status, modules = json.loads(done.stdout)
    assert (0, set()) == (status, HEAVY & set(modules))
