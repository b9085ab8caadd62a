"""The commands, a file each."""

from collections.abc import Callable, Mapping
from typing import Any

import typer

from comfypipe.cli.commands import batch, catalog, keys, models, runs
from comfypipe.cli.commands.diff import diff
from comfypipe.cli.commands.doctor import doctor
from comfypipe.cli.commands.engine import engine
from comfypipe.cli.commands.graph import graph
from comfypipe.cli.commands.import_ import import_
from comfypipe.cli.commands.init import init
from comfypipe.cli.commands.list import list_
from comfypipe.cli.commands.render import render
from comfypipe.cli.commands.report import report
from comfypipe.cli.commands.run import run
from comfypipe.cli.commands.schema import schema
from comfypipe.cli.commands.serve import serve
from comfypipe.cli.commands.show import show
from comfypipe.cli.commands.validate import validate

COMMANDS: Mapping[str, Callable[..., Any]] = {
    "init": init,
    "import": import_,
    "list": list_,
    "show": show,
    "schema": schema,
    "render": render,
    "validate": validate,
    "graph": graph,
    "diff": diff,
    "run": run,
    "report": report,
    "serve": serve,
    "engine": engine,
    "doctor": doctor,
}
GROUPS: Mapping[str, typer.Typer] = {
    "batch": batch.group,
    "runs": runs.group,
    "models": models.group,
    "keys": keys.group,
    "catalog": catalog.group,
}
