"""Everything that is wrong in a project, in one pass, without running anything."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from comfypipe.diagnostics import Diagnostic, Source
from comfypipe.errors import ManifestInvalid
from comfypipe.manifest.load import Manifest
from comfypipe.manifest.schema import PipelineSpec
from comfypipe.plan.assemble import Assembly, assemble
from comfypipe.plan.findings import without_echoes
from comfypipe.plan.library import Library
from comfypipe.plan.preflight import Circumstances, preflight
from comfypipe.plan.reading import names_not_read
from comfypipe.plan.trials import Trial, trials
from comfypipe.project import ProjectLayout
from comfypipe.prompt.object_info import ObjectInfo

_ITEMS_OF_DEFAULTS, _ITEMS_OF_OTHERS = 3, 1


class Check(Struct, frozen=True):
    """
    What was found.

    Attributes:
        diagnostics: By file and line, each once.
        unchecked: By workflow, the class types that could not be looked at because nothing is known of them.
    """

    diagnostics: tuple[Diagnostic, ...] = ()
    unchecked: Mapping[str, tuple[str, ...]] = {}


def check(
    library: Library, layout: ProjectLayout, names: Iterable[str] | None, object_info: ObjectInfo | None
) -> Check:
    """
    Check workflows and pipelines: manifests, templates, and the prompts that they give.

    Each is rendered with its defaults, with everything that may be left out, with each preset, and with each other
    value of its switches and choices; what has no default gets a placeholder.

    Args:
        names: What to check; None for all that there is.
        object_info: What to check nodes against; classes that it does not hold are named as unchecked.

    Raises:
        UsageError: There is no such workflow or pipeline.
    """
    run = _Check(library, layout, object_info)
    for name in library.names() if names is None else names:
        run.manifest(name)
    if names is None:
        run.add(library.diagnostics)
    return run.result()


class _Check:
    def __init__(self, library: Library, layout: ProjectLayout, object_info: ObjectInfo | None) -> None:
        self._library = library
        self._layout = layout
        self._object_info = object_info
        self._found: dict[tuple[str, Source | None, str], Diagnostic] = {}
        self._places: set[tuple[str, Source | None]] = set()
        self._unchecked: dict[str, set[str]] = {}

    def result(self) -> Check:
        found = sorted(self._found.values(), key=lambda each: each.source or Source(""))
        unchecked = {name: tuple(sorted(classes)) for name, classes in sorted(self._unchecked.items()) if classes}
        return Check(tuple(found), unchecked)

    def add(self, found: Iterable[Diagnostic]) -> None:
        for each in found:
            self._found.setdefault((each.code, each.source, each.message), each)
            self._places.add((each.code, each.source))

    def manifest(self, name: str) -> None:
        try:
            manifest = self._library.manifest(name)
        except ManifestInvalid as error:
            self.add(error.diagnostics)
            return
        self.add(manifest.warnings)
        assembly = assemble(manifest, self._library, self._layout)
        self.add(assembly.diagnostics)
        tried = trials(manifest, self._layout)
        self.add(tried.diagnostics)
        for trial in tried.trials:
            self._try(manifest, assembly, trial)
        self.add(names_not_read(manifest, self._layout, self._undefined()))

    def _try(self, manifest: Manifest, assembly: Assembly, trial: Trial) -> None:
        items = _ITEMS_OF_DEFAULTS if not trial.circumstances else _ITEMS_OF_OTHERS
        against = Circumstances(self._layout, self._object_info, "skip", 0, trial.guessed, items, "declared")
        found = preflight(assembly, trial.values, against)
        for each in without_echoes(assembly.diagnostics, found.diagnostics):
            if (each.code, each.source) not in self._places:  # told already, of the workflow or of a plainer trial
                self._found[each.code, each.source, each.message] = _with_circumstances(each, trial)
        self._places.update((each.code, each.source) for each in found.diagnostics)
        for name, classes in found.unchecked.items():
            self._unchecked.setdefault(name, set()).update(classes)
        for step_id, reason in found.skipped.items():
            self.add([_not_rendered(manifest, step_id, reason)])

    def _undefined(self) -> Iterator[Diagnostic]:
        return (each for each in self._found.values() if each.code == "undefined-name")


def _with_circumstances(found: Diagnostic, trial: Trial) -> Diagnostic:
    if not trial.circumstances:
        return found
    message = f"{found.message} (with {trial.circumstances})"
    return Diagnostic(found.code, message, found.source, found.hint, found.severity)


def _not_rendered(manifest: Manifest, step_id: str, reason: str) -> Diagnostic:
    if not isinstance(manifest.spec, PipelineSpec):
        return Diagnostic("not-rendered", reason, manifest.source("inputs"), severity="warning")
    index = [step.id for step in manifest.spec.steps].index(step_id)
    message = f'step "{step_id}" was not rendered: {reason}'
    return Diagnostic("not-rendered", message, manifest.source("steps", index, "id"), severity="warning")
