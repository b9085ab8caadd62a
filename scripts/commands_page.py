"""Write docs/commands.md: every command's own help, so that the page cannot say anything else than the program."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from comfypipe.cli.main import build

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
HEAD = """# Commands

Results go to stdout, narration and progress to stderr; `--json` on every command makes the result one JSON document.
This page is made by `make docs` from the program's own help.

| exit status | meaning |
|---|---|
| 0 | fine |
| 1 | a run failed |
| 2 | the call is wrong: an unknown name, option or input |
| 3 | a manifest, template or prompt is invalid |
| 4 | the backend cannot be reached |
| 5 | timed out |
| 130 | interrupted |

`comfypipe --install-completion` makes your shell complete commands and options.
"""


def page() -> str:
    """Return the page's text."""
    root = typer.main.get_command(build())
    blocks = [f"## {name}\n\n```text\n{text}\n```\n" for name, text in _helps(root, "comfypipe")]
    return "\n".join([HEAD, *blocks])


def _helps(command: Any, name: str, parent: typer.Context | None = None) -> Iterator[tuple[str, str]]:
    context = typer.Context(command, info_name=name.rsplit(maxsplit=1)[-1], parent=parent, terminal_width=100)
    yield name, command.get_help(context).rstrip()
    for each in command.commands.values() if isinstance(command, TyperGroup) else ():
        yield from _helps(each, f"{name} {each.name}", context)


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text(encoding="utf-8") == page() else f"{PAGE.name} is out of date: run `make docs`")
    PAGE.write_text(page(), encoding="utf-8")
