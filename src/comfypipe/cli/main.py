"""The program: its commands, and how whatever goes wrong becomes an exit status."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from comfypipe.cli.commands import commands, groups
from comfypipe.cli.console import Console
from comfypipe.errors import ComfypipeError
from comfypipe.exit_status import ExitStatus


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("comfypipe"))  # noqa: T201
        raise typer.Exit


def build(asked: str | None = None) -> typer.Typer:
    """
    Return the application with all its commands, or with the one that was *asked* for alone.

    Typer looks into every command that it is given: those that are not asked for would take as long as importing it.
    """
    # Plain help: importing rich for it would take as long as everything else together.
    app = typer.Typer(
        name="comfypipe",
        help="Workflow-as-code for ComfyUI.",
        epilog="Results go to stdout, narration to stderr. Docs: docs/index.md in the repository.",
        rich_markup_mode=None,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )
    app.callback()(_program)
    for name, function in commands(asked).items():
        app.command(name)(function)
    for name, group in groups(asked).items():
        app.add_typer(group, name=name)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with the exit status of what happened."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # httpx imports rich for a command line of its own, where it can; it goes on where it cannot.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    sys.exit(run(given))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status."""
    try:
        status = build(arguments[0] if arguments else None)(
            args=list(arguments), prog_name="comfypipe", standalone_mode=False
        )
    except ComfypipeError as error:
        Console(as_json="--json" in arguments).error(error)
        return error.exit_status
    except typer.TyperException as error:
        _refuse(error.format_message())
        return ExitStatus.USAGE
    except OSError as error:  # a folder that is gone, a file that may not be read: named by the system itself
        Console(as_json="--json" in arguments).error(ComfypipeError(str(error)))
        return ExitStatus.RUN_FAILED
    except typer.Abort:
        return ExitStatus.INTERRUPTED
    return int(status or ExitStatus.OK)


def _refuse(message: str) -> None:
    """Say what is wrong with the call; a group without a command shows its help, which needs no hint."""
    hint = "" if message.startswith("Usage:") else "\n  hint: --help lists what there is"
    print(f"{message}{hint}", file=sys.stderr)  # noqa: T201


def _program(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass
