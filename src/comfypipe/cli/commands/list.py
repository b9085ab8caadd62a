"""``comfypipe list``: what the project holds."""

from comfypipe.cli.console import Console, columns
from comfypipe.cli.options import AsJson, ProjectFolder


def list_(project: ProjectFolder = None, as_json: AsJson = False) -> None:
    """List the project's workflows and pipelines."""
    from comfypipe.plan.library import load_library
    from comfypipe.project import ProjectLayout

    console = Console(as_json=as_json)
    layout = ProjectLayout.find(project)
    library = load_library(layout)
    manifests = [*library.pipelines.values(), *library.workflows.values()]
    rows = [(each.name, each.spec.kind, each.spec.description) for each in manifests]
    console.result(columns(rows) if rows else f"no manifests in {layout.show(layout.manifests)}")
    console.document(
        [
            {
                "name": each.name,
                "kind": each.spec.kind,
                "description": each.spec.description,
                "path": each.shown,
                "tags": list(each.spec.tags),
            }
            for each in manifests
        ]
    )
    console.diagnostics(library.diagnostics)
