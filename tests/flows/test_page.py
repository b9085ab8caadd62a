"""The page about Prefect: its Python, run against a real server; `test_deployments` runs its commands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.flows.prefect_server import PrefectServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

FENCE = re.compile(r"^```python[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAM = """
import ast, asyncio, sys
code = compile(sys.stdin.read(), "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
asyncio.run(eval(code, {"__name__": "__main__"}))
"""


def test_the_examples_of_the_page_run(prefect_server: PrefectServer, project_copy: Path, root: Path) -> None:
    """Whoever types the page's examples one after the other sees none of them fail."""
    python = "\n".join(FENCE.findall((root / "docs/prefect.md").read_text(encoding="utf-8")))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=python,
        cwd=project_copy,
        env=prefect_server.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert 0 == done.returncode, f"{done.stdout}\n{done.stderr}"
    assert 6 == len(list((project_copy / "out/recolour").rglob("*.png")))
