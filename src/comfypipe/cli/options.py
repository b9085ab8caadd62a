"""Options that several commands share, declared once."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
ProjectFolder: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--project",
        envvar="COMFYPIPE_PROJECT",
        help="The project's folder; default: the nearest one upward.",
        show_default=False,
    ),
]
Inputs: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        "-i",
        metavar="NAME=VALUE",
        help="An input; repeat it. NAME=@FILE reads a file.",
        show_default=False,
    ),
]
InputsFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--inputs", metavar="FILE", help="Inputs from a YAML or JSON file.", show_default=False),
]
Preset: TypeAlias = Annotated[
    str | None, typer.Option("--preset", "-p", help="One of the manifest's presets.", show_default=False)
]
Backend: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--backend",
        "-b",
        envvar="COMFYPIPE_BACKEND",
        metavar="URL",
        help="Where to run: a URL, or a name from the settings.",
        show_default=False,
    ),
]
AllowOrigin: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-origin",
        metavar="URL",
        help="Fetch files from this origin though it is on this machine or network; repeat it.",
        show_default=False,
    ),
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="No narration.")]
