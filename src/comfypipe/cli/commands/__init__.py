"""The commands, a file each."""

from collections.abc import Callable, Mapping
from typing import Any

import typer

from comfypipe.cli.commands import runs
from comfypipe.cli.commands.doctor import doctor
from comfypipe.cli.commands.engine import engine
from comfypipe.cli.commands.init import init
from comfypipe.cli.commands.list import list_
from comfypipe.cli.commands.render import render
from comfypipe.cli.commands.run import run
from comfypipe.cli.commands.schema import schema
from comfypipe.cli.commands.show import show
from comfypipe.cli.commands.validate import validate

COMMANDS: Mapping[str, Callable[..., Any]] = {
    "init": init,
    "list": list_,
    "show": show,
    "schema": schema,
    "render": render,
    "validate": validate,
    "run": run,
    "engine": engine,
    "doctor": doctor,
}
GROUPS: Mapping[str, typer.Typer] = {"runs": runs.group}
