"""``comfypipe render``: the prompt that would be submitted."""

from typing import TYPE_CHECKING, Annotated

import typer

from comfypipe.cli.console import Console, to_text
from comfypipe.cli.given import given_inputs
from comfypipe.cli.options import AsJson, Inputs, InputsFile, Preset, ProjectFolder

if TYPE_CHECKING:
    from comfypipe._types import JSON
    from comfypipe.plan.library import Library
    from comfypipe.plan.steps import Plan
    from comfypipe.project import ProjectLayout


def render(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A workflow or pipeline.")],
    inputs: Inputs = None,
    inputs_file: InputsFile = None,
    preset: Preset = None,
    project: ProjectFolder = None,
    as_json: AsJson = False,  # noqa: ARG001 - the result is JSON anyway; the option is there on every command
) -> None:
    """
    Print the prompt JSON, in API format.

    Of a pipeline, every step's prompts by step, with placeholders for the files that other steps will make.
    """
    from comfypipe.plan.build import Planner
    from comfypipe.plan.library import load_library
    from comfypipe.project import ProjectLayout

    layout = ProjectLayout.find(project)
    library = load_library(layout)
    plan = Planner(library, layout).plan(name, given_inputs(inputs, inputs_file), preset=preset)
    console = Console()
    console.diagnostics(plan.warnings)
    for drawn in plan.drawn:
        console.say(f"{drawn}: {plan.inputs[drawn]} (drawn)")
    console.result(to_text(_prompts(plan, library, layout)))


def _prompts(plan: "Plan", library: "Library", layout: "ProjectLayout") -> "JSON":
    from comfypipe.plan.assemble import assemble
    from comfypipe.plan.build import jobs
    from comfypipe.plan.preflight import Circumstances, preflight

    if plan.kind == "Workflow":
        return jobs(plan, plan.steps[0], {}, layout)[0].prompt
    assembly = assemble(library.manifest(plan.name), library, layout)
    rendered = preflight(assembly, plan.inputs, Circumstances(layout, seed=plan.seed)).jobs
    return {step.id: [job.prompt for job in rendered.get(step.id, ())] for step in plan.steps}
