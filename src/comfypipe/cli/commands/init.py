"""``comfypipe init``: a new project that runs at once."""

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

from comfypipe.cli.console import Console
from comfypipe.cli.options import AsJson
from comfypipe.errors import UsageError


def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where; made if it is not there.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Start a project: two workflows and a pipeline that run at once."""
    console = Console(as_json=as_json)
    starter = files("comfypipe.cli") / "starter"
    wanted = {folder / _place(name): each for name, each in _walk(starter)}
    taken = sorted(str(path) for path in wanted if path.exists())
    if taken:
        raise UsageError(
            f"there is a file already at {', '.join(taken)}",
            hint="nothing was written; choose another folder, or add [tool.comfypipe] to your pyproject.toml yourself",
        )
    for path, each in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(each.read_text(encoding="utf-8").replace("my-pipelines", _name(folder)), encoding="utf-8")
    made = sorted(path.relative_to(folder).as_posix() for path in wanted)
    console.result("\n".join(made))
    console.document({"folder": str(folder.resolve()), "files": made})
    go = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    console.say(f"next: {go}comfypipe run posters --out out")


def _walk(folder: Traversable, prefix: str = "") -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for each in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = f"{prefix}{each.name}"
        found += _walk(each, f"{name}/") if each.is_dir() else [(name, each)]
    return found


def _place(name: str) -> str:
    return ".gitignore" if name == "gitignore" else name  # packaging would leave out the real name


def _name(folder: Path) -> str:
    return re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-") or "my-pipelines"
