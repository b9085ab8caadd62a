"""The manifests of a project, by name."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from comfypipe.diagnostics import Diagnostic, Source, did_you_mean
from comfypipe.errors import ManifestInvalid, UsageError
from comfypipe.manifest.load import Manifest, default_name, load_manifest
from comfypipe.manifest.schema import WorkflowSpec
from comfypipe.project import ProjectLayout

SUFFIXES = (".yaml", ".yml")


class Library(Struct, frozen=True):
    """
    The manifests of a project.

    Attributes:
        workflows: By name, those of kind Workflow that are fine in themselves.
        pipelines: By name, those of kind Pipeline that are fine in themselves.
        diagnostics: Everything that was found while reading them.
        broken: By the name that they would have, the findings of those that cannot be used.
    """

    workflows: Mapping[str, Manifest]
    pipelines: Mapping[str, Manifest]
    diagnostics: tuple[Diagnostic, ...] = ()
    broken: Mapping[str, tuple[Diagnostic, ...]] = {}

    def manifest(self, name: str) -> Manifest:
        """
        Return the workflow or pipeline called *name*.

        Raises:
            UsageError: There is none.
            ManifestInvalid: There is one, and it cannot be used.
        """
        found = self.workflows.get(name) or self.pipelines.get(name)
        if found is not None:
            return found
        if name in self.broken:
            raise ManifestInvalid(self.broken[name])
        hint = did_you_mean(name, self.names()) or "`comfypipe list` shows what there is"
        raise UsageError(f'there is no workflow or pipeline "{name}"', hint=hint)

    def names(self) -> tuple[str, ...]:
        """Return every name, those of broken manifests included, in alphabetical order."""
        return tuple(sorted({*self.workflows, *self.pipelines, *self.broken}))


def load_library(layout: ProjectLayout) -> Library:
    """Read all manifests of a project; what is wrong with them stands in the library's diagnostics."""
    loaded: dict[str, Manifest] = {}
    broken: dict[str, tuple[Diagnostic, ...]] = {}
    found: list[Diagnostic] = []
    for path in _files(layout.manifests):
        try:
            manifest = load_manifest(path, layout.show(path))
        except ManifestInvalid as error:
            found += error.diagnostics
            broken.setdefault(default_name(path), error.diagnostics)
            continue
        found += manifest.warnings
        if manifest.name in loaded:
            found.append(_twice(manifest, loaded[manifest.name]))
        else:
            loaded[manifest.name] = manifest
    kinds = {name: isinstance(each.spec, WorkflowSpec) for name, each in loaded.items()}
    return Library(
        {name: each for name, each in loaded.items() if kinds[name]},
        {name: each for name, each in loaded.items() if not kinds[name]},
        tuple(found),
        {name: each for name, each in broken.items() if name not in loaded},
    )


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.suffix in SUFFIXES and not path.name.startswith("."))
    return sorted(path for path in found if path.is_file())


def _twice(manifest: Manifest, first: Manifest) -> Diagnostic:
    message = f'the name "{manifest.name}" is taken'
    return Diagnostic("duplicate-name", message, _name_source(manifest), f"{_name_source(first)} has it")


def _name_source(manifest: Manifest) -> Source:
    return manifest.source("name")
