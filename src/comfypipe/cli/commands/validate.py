"""``comfypipe validate``: all that is wrong, before any GPU is used."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from comfypipe.cli.console import Console, plural
from comfypipe.cli.offered import Catalog, Server, offered
from comfypipe.cli.options import AsJson, ProjectFolder
from comfypipe.exit_status import ExitStatus

if TYPE_CHECKING:
    from comfypipe.plan.check import Check


def validate(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Workflows and pipelines; default: all.")
    ] = None,
    catalog: Catalog = None,
    backend: Server = None,
    project: ProjectFolder = None,
    as_json: AsJson = False,
) -> int:
    """Check manifests, templates and prompts, all in one pass."""
    from comfypipe.plan.check import check
    from comfypipe.plan.library import load_library
    from comfypipe.project import ProjectLayout

    console = Console(as_json=as_json)
    layout = ProjectLayout.find(project)
    library = load_library(layout)
    found = check(library, layout, names or None, offered(layout, catalog, backend))
    _report(console, found, len(names or [*library.workflows, *library.pipelines]))
    failed = any(each.severity == "error" for each in found.diagnostics)
    return ExitStatus.INVALID if failed else ExitStatus.OK


def _report(console: Console, found: "Check", manifests: int) -> None:
    console.diagnostics(found.diagnostics)
    for line in _unchecked(found.unchecked):
        console.say(line)
    errors = sum(each.severity == "error" for each in found.diagnostics)
    warnings = len(found.diagnostics) - errors
    counts = [plural(errors, "error"), *([plural(warnings, "warning")] if warnings else [])]
    console.result(f"{', '.join(counts)} in {plural(manifests, 'manifest')}")
    console.document(
        {
            "diagnostics": [each.to_json() for each in found.diagnostics],
            "unchecked": {name: list(classes) for name, classes in found.unchecked.items()},
            "errors": errors,
            "warnings": warnings,
            "manifests": manifests,
        }
    )


def _unchecked(unchecked: Mapping[str, tuple[str, ...]]) -> list[str]:
    lines = [f"unchecked in {name}: {', '.join(classes)}" for name, classes in unchecked.items() if classes]
    if lines:
        lines.append("  hint: the catalog holds no such nodes; give a server's with --backend URL or --catalog FILE")
    return lines
