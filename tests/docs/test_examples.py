"""Every example in the README and in docs/ is run."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ELSEWHERE = ("make", "prefect")
"""Marks of blocks that are not run here: those that build this repository, and those that need a Prefect server."""

FENCE = re.compile(r"^```(?P<language>sh|python)(?P<mark>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
PROJECT = ("workflows", "manifests", "assets", "flows", "pyproject.toml", "prefect.yaml")


@dataclass(frozen=True)
class Example:
    """
    One block of a page.

    Attributes:
        mark: ``make`` for one that builds or tests this repository itself, ``prefect`` for one that `tests/flows` runs.
    """

    language: str
    mark: str
    code: str
    line: int


def pages(root: Path) -> Iterator[Path]:
    """Yield the pages that people read."""
    yield root / "README.md"
    yield from sorted((root / "docs").rglob("*.md"))


def examples(page: Path) -> list[Example]:
    """Return the page's runnable blocks in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Example(found["language"], found["mark"].strip(), found["code"], text[: found.start()].count("\n") + 2)
        for found in FENCE.finditer(text)
    ]


ROOT = Path(__file__).resolve().parents[2]
PAGES = [page for page in pages(ROOT) if any(each.mark not in ELSEWHERE for each in examples(page))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_pages_examples_run_in_order(page: Path, root: Path, tmp_path: Path) -> None:
    """Whoever types a page's commands one after the other, in this repository's project, sees none of them fail."""
    for name in PROJECT:
        if (root / name).is_dir():
            shutil.copytree(root / name, tmp_path / name)
        elif (root / name).is_file():
            shutil.copy(root / name, tmp_path / name)
    told = ""  # a page's Python goes on where its last block ended
    for each in examples(page):
        if each.mark in ELSEWHERE:
            continue
        code = each.code
        if each.language == "python":
            code = told = f"{told}\n{code}"
        done = run(each.language, code, tmp_path)
        assert 0 == done.returncode, f"{page.name}:{each.line}\n{each.code}\n{done.stdout}\n{done.stderr}"


def test_make_examples_name_targets_that_exist(root: Path) -> None:
    """A ``make`` command on a page is one that the Makefile knows."""
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    used = {
        target
        for page in pages(root)
        for each in examples(page)
        if each.mark == "make"
        for target in re.findall(r"\bmake ([a-z]+)", each.code)
    }
    assert used
    assert set() == used - targets


def run(language: str, code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run *code* in *folder*, with the command line of this environment first on the path."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    if language == "sh":
        command = ["bash", "-euo", "pipefail", "-c", code]
    else:
        program = (
            "import ast, asyncio, inspect, sys\n"
            "code = compile(sys.argv[1], 'example', 'exec', flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)\n"
            "result = eval(code, {'__name__': '__main__'})\n"
            "asyncio.run(result) if inspect.iscoroutine(result) else None\n"
        )
        command = [sys.executable, "-c", program, code]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=150, check=False
    )
