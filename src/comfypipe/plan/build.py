"""A name and inputs become a plan: assembled, rendered with placeholders, validated, named by its content."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from comfypipe.diagnostics import Diagnostic
from comfypipe.errors import ComfypipeError, PlanError, ReferenceCycle, ReferenceUnknown
from comfypipe.manifest.inputs import draw_seed as draw_random_seed
from comfypipe.manifest.inputs import resolve_inputs, seeds_to_draw
from comfypipe.manifest.schema import PipelineSpec
from comfypipe.manifest.values import Value
from comfypipe.plan.assemble import Assembly, assemble
from comfypipe.plan.digests import content_of, digest_of, template_digest
from comfypipe.plan.findings import without_echoes
from comfypipe.plan.jobs import jobs, outputs
from comfypipe.plan.library import Library
from comfypipe.plan.preflight import Circumstances, Preflight, Unknown, preflight
from comfypipe.plan.rendering import workflow_spec
from comfypipe.plan.steps import Plan, Step
from comfypipe.project import ProjectLayout
from comfypipe.prompt.object_info import ObjectInfo

__all__ = ["Planner", "jobs", "outputs"]


class Planner:
    """
    Makes the plans of a project; what its manifests say is put together once.

    Args:
        library: Its manifests.
    """

    def __init__(self, library: Library, layout: ProjectLayout) -> None:
        self._library = library
        self._layout = layout
        self._assemblies: dict[str, Assembly] = {}

    def plan(
        self,
        name: str,
        given: Mapping[str, object],
        *,
        preset: str | None = None,
        object_info: ObjectInfo | None = None,
        unknown: Unknown = "error",
        base: Path | None = None,
        draw_seed: Callable[[], int] = draw_random_seed,
    ) -> Plan:
        """
        Return the plan for running *name*, every step of it rendered and validated.

        Args:
            given: Values of its inputs, by name.
            object_info: What the backend offers; without it the structure alone is checked.
            unknown: Whether a class that *object_info* does not hold is an error, or passed over.
            base: Folder that given paths are relative to; the working directory when there is none.
            draw_seed: Asked once for each of its seeds that nobody gives, and once for those of its steps together.

        Raises:
            UsageError: There is no such workflow, pipeline or preset.
            ManifestInvalid: Its manifest is wrong; carries every finding.
            InputMissing: An input that has to be given is not.
            InputInvalid: A value does not fit.
            PlanError: Its steps do not fit together (`ReferenceUnknown`, `ReferenceCycle`); carries every finding.
            PromptInvalid: A prompt would be refused; carries every finding.
        """
        spec = self._library.manifest(name).spec
        inputs = resolve_inputs(
            spec.inputs,
            given,
            presets=spec.presets,
            preset=preset,
            base=base or Path(),
            root=self._layout.root,
            draw_seed=draw_seed,
        )
        assembly = self._assembly(name)
        seed = draw_seed() if any(step.has_open_seed for step in assembly.steps) else None
        checked = preflight(assembly, inputs, Circumstances(self._layout, object_info, unknown, seed))
        found = (*assembly.diagnostics, *without_echoes(assembly.diagnostics, checked.diagnostics))
        if any(each.severity == "error" for each in found):
            raise _error(found, checked.errors)
        return Plan(
            name=name,
            kind="Pipeline" if isinstance(spec, PipelineSpec) else "Workflow",
            inputs=inputs,
            steps=assembly.steps,
            outputs=assembly.outputs,
            digest=_digest(assembly, inputs, checked, seed, self._layout),
            drawn=seeds_to_draw(spec.inputs, given, spec.presets[preset] if preset else {}),
            seed=seed,
            warnings=found,
            ready={step.id: checked.jobs[step.id][0] for step in assembly.steps if _is_ready(step, checked)},
        )

    def _assembly(self, name: str) -> Assembly:
        """Return the steps of a workflow or pipeline: the same for every row, and with them what they know of it."""
        if name not in self._assemblies:
            self._assemblies[name] = assemble(self._library.manifest(name), self._library, self._layout)
        return self._assemblies[name]


def _is_ready(step: Step, checked: Preflight) -> bool:
    """Whether the job that was rendered to be looked at is the one that will be submitted."""
    return not step.reads and step.for_each is None and step.id in checked.jobs


def _error(found: Sequence[Diagnostic], raised: Sequence[ComfypipeError]) -> ComfypipeError:
    """Return the error that tells all of *found*: the only one that was raised, where it tells everything."""
    wrong = [each for each in found if each.severity == "error"]
    if len(raised) == 1 and len(wrong) == max(len(getattr(raised[0], "diagnostics", ())), 1):
        return raised[0]
    first = wrong[0]
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    kinds: dict[str, type[PlanError]] = {"reference-unknown": ReferenceUnknown, "reference-cycle": ReferenceCycle}
    kind = kinds.get(first.code, PlanError)
    return kind(f"{first.message}{more}", diagnostics=wrong, hint=first.hint, source=first.source)


def _digest(
    assembly: Assembly, inputs: Mapping[str, Value], checked: Preflight, seed: int | None, layout: ProjectLayout
) -> str:
    """
    Name a plan by all that its results depend on.

    What is rendered already stands for itself; of steps that read others, the templates count as they are written.
    """
    if len(assembly.steps) == 1 and assembly.steps[0].pipeline is None:
        return digest_of({"jobs": [job.digest for job in checked.jobs.get(assembly.steps[0].id, [])]})
    steps = [
        {
            "inputs": content_of(step.inputs),
            "for_each": content_of(step.for_each),
            "when": step.when,
            "id": step.id,
            "jobs": [job.digest for job in checked.jobs.get(step.id, [])],
            "template": template_digest(layout.root / workflow_spec(step.workflow).workflow) if step.reads else None,
        }
        for step in assembly.steps
    ]
    content = {"inputs": content_of(inputs), "steps": steps, "outputs": content_of(assembly.outputs), "seed": seed}
    return digest_of(content)
