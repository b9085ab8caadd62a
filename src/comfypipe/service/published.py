"""Workflows and pipelines of a project, which runs name and give inputs to."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from msgspec.structs import replace

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import InputError, InputInvalid
from comfypipe.manifest.destinations import url_problem
from comfypipe.manifest.inputs import all_of
from comfypipe.manifest.load import Manifest
from comfypipe.manifest.schema import MEDIA_TYPES, InputSpec, ListInput
from comfypipe.manifest.values import FileValue, safe_filename
from comfypipe.plan.build import Planner
from comfypipe.plan.library import load_library
from comfypipe.plan.steps import Plan
from comfypipe.project import ProjectLayout
from comfypipe.prompt.object_info import ObjectInfo
from comfypipe.service.placing import Bring


class Published:
    """
    What a project publishes: its manifests, read once.

    Methods block, but for `bring_inputs`: call them in a thread.

    Raises:
        ManifestInvalid: A manifest is wrong.
    """

    def __init__(self, layout: ProjectLayout) -> None:
        self._library = load_library(layout)
        self._planner = Planner(self._library, layout)

    def __contains__(self, name: str) -> bool:
        return name in self._library.workflows or name in self._library.pipelines

    def manifests(self) -> tuple[Manifest, ...]:
        """Return them all, by name."""
        found = {**self._library.workflows, **self._library.pipelines}
        return tuple(found[name] for name in sorted(found))

    def manifest(self, name: str) -> Manifest:
        """Return the manifest of this name."""
        return self._library.manifest(name)

    def plan(
        self,
        name: str,
        inputs: Mapping[str, Any],
        *,
        preset: str | None,
        object_info: ObjectInfo | None,
        seeds: JSONObject | None = None,
    ) -> Plan:
        """
        Return what would run.

        Args:
            seeds: What was drawn when the run was accepted.

        Raises:
            ManifestError: An input is missing or does not fit.
            TemplateError, PromptInvalid, PlanError: Nothing that can run comes of these values.
        """
        drawn = seeds or {}
        options: dict[str, Any] = {"preset": preset, "object_info": object_info}
        if drawn.get("steps") is not None:
            options["draw_seed"] = lambda: int(drawn["steps"])
        return self._planner.plan(name, {**inputs, **drawn.get("inputs", {})}, **options)

    def check_files(self, name: str, inputs: Mapping[str, Any]) -> None:
        """
        Make sure that files are only named by URL: a client must not read the service's own disk.

        Raises:
            InputInvalid: One is not.
        """
        problems: list[InputError] = []
        for key, spec in self._file_inputs(name).items():
            for each in _listed(inputs.get(key)):
                problem = url_problem(each) if isinstance(each, str) else "it is no text"
                if problem:
                    message = f"input {key} ({spec.type}) takes the URL of a file: {problem}"
                    problems.append(InputInvalid(message, name=key))
        if problems:
            raise all_of(problems)

    async def bring_inputs(self, name: str, inputs: Mapping[str, Any], bring: Bring) -> dict[str, Any]:
        """Return the inputs with files in place of their URLs."""
        found = dict(inputs)
        for key, spec in self._file_inputs(name).items():
            if inputs.get(key) is not None:
                found[key] = await _brought(inputs[key], _media(spec), bring)
        return found

    def _file_inputs(self, name: str) -> Mapping[str, InputSpec]:
        inputs = self._library.manifest(name).spec.inputs
        return {key: spec for key, spec in inputs.items() if _media(spec) in MEDIA_TYPES}


async def _brought(value: JSON, media: str, bring: Bring) -> Any:
    if isinstance(value, list):
        return [await _brought(each, media, bring) for each in value]
    file: FileValue = await bring(value, f"input/{_filename(value)}")
    return replace(file, media=media)


def _filename(url: str) -> str:
    """Return the name that a URL gives its file."""
    return safe_filename(unquote(urlsplit(url).path).rsplit("/", 1)[-1])


def _media(spec: InputSpec) -> str:
    return _media(spec.items) if isinstance(spec, ListInput) else spec.type


def _listed(value: JSON) -> list[JSON]:
    if isinstance(value, list):
        return [inner for each in value for inner in _listed(each)]
    return [] if value is None else [value]
