"""What the types of the schema cannot say: rules within one manifest."""

import keyword
import re
from collections.abc import Iterator
from typing import Any

from comfypipe.diagnostics import Diagnostic
from comfypipe.manifest.destinations import destination_problem, is_url, path_problem, url_problem
from comfypipe.manifest.input_rules import InputRules
from comfypipe.manifest.places import Path, Places, dotted
from comfypipe.manifest.schema import ManifestSpec, PipelineSpec, WorkflowSpec

TEMPLATE_SUFFIX = ".json.j2"
EXPORT_SUFFIX = ".json"

_JINJA_WORDS = frozenset(
    {"true", "false", "none", "loop", "self", "super", "caller", "varargs", "kwargs", "range", "dict"}
    | {"lipsum", "cycler", "joiner", "namespace"}
)
_ACCELERATORS = ("T4", "L4", "A10", "L40S", "A100_40GB", "A100_80GB", "H100", "H200")


class Rules:
    """Checks one manifest's spec and yields what is wrong with it."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def check(self, spec: ManifestSpec) -> Iterator[Diagnostic]:
        """Yield the findings about *spec*."""
        yield from self._names(("inputs",), spec.inputs)
        yield from InputRules(self._places).check(spec)
        yield from self._names(("outputs",), spec.outputs)
        if isinstance(spec, WorkflowSpec):
            yield from self._workflow(spec)
        else:
            yield from self._steps(spec)

    def _names(self, path: Path, names: Any) -> Iterator[Diagnostic]:
        for name in names:
            if is_reserved(name):
                message = f'{dotted((*path, name))}: "{name}" cannot be a name'
                hint = f"it is a reserved word; {name}_ would do"
                yield Diagnostic("bad-name", message, self._places.key_source(*path, name), hint)

    def _workflow(self, spec: WorkflowSpec) -> Iterator[Diagnostic]:
        yield from self._template(spec)
        yield from self._models(spec)
        yield from self._files(spec)
        yield from self._accelerators(("accelerator",), spec.accelerator)

    def _template(self, spec: WorkflowSpec) -> Iterator[Diagnostic]:
        if ("workflow",) in self._places.dropped:
            return
        if problem := path_problem(spec.workflow):
            hint = "it is relative to the project's root, such as workflows/portrait.json.j2"
            yield self._places.error(
                "bad-path", f'workflow cannot be "{spec.workflow}": {problem}', ("workflow",), hint
            )
        elif not spec.workflow.endswith((TEMPLATE_SUFFIX, EXPORT_SUFFIX)):
            message = f'workflow takes a .json.j2 template or a .json export, not "{spec.workflow}"'
            yield self._places.error("bad-path", message, ("workflow",))
        yield from self._binds(spec)

    def _binds(self, spec: WorkflowSpec) -> Iterator[Diagnostic]:
        is_export = spec.workflow.endswith(EXPORT_SUFFIX)
        for name, each in spec.inputs.items():
            path = ("inputs", name, "bind")
            if each.targets and not is_export:
                hint = f"a template writes {{{{ {name} }}}} where the value goes"
                yield self._places.error("bad-bind", f"{dotted(path)}: only exports (.json) are bound", path, hint)
            for target in each.targets if is_export else ():
                node, dot, below = target.rpartition(".")
                if not (node and dot and below):
                    hint = 'write "6.inputs.text", or by title "Positive prompt.text"'
                    yield self._places.error(
                        "bad-bind", f'{dotted(path)}: "{target}" names no node and input', path, hint
                    )

    def _models(self, spec: WorkflowSpec) -> Iterator[Diagnostic]:
        seen: set[str] = set()
        for index, each in self._places.kept(("models",), spec.models):
            path = ("models", index)
            problem = destination_problem(each.path)
            if problem is None and not each.path.startswith("models/"):
                problem = "it is not below models/"
            if problem:
                hint = "write models/FOLDER/FILE, such as models/loras/ink.safetensors"
                message = f'models[{index}].path cannot be "{each.path}": {problem}'
                yield self._places.error("bad-destination", message, (*path, "path"), hint)
            if each.path in seen:
                yield self._places.error("duplicate-name", f"the model {each.path} is declared twice", (*path, "path"))
            seen.add(each.path)
            if each.url is not None and (problem := url_problem(each.url)):
                yield self._places.error("bad-url", f"models[{index}].url cannot be used: {problem}", (*path, "url"))
            if each.sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", each.sha256):
                message = f"models[{index}].sha256 takes 64 hexadecimal digits, not {len(each.sha256)} characters"
                yield self._places.error("bad-digest", message, (*path, "sha256"))

    def _files(self, spec: WorkflowSpec) -> Iterator[Diagnostic]:
        for name, source in spec.files.items():
            path = ("files", name)
            problem = destination_problem(name)
            if problem is None and name.startswith("input/comfypipe/"):
                problem = "input/comfypipe is where files given for inputs are placed"
            if problem:
                hint = "write input/FILE or models/FOLDER/FILE"
                message = f'files cannot fill "{name}": {problem}'
                yield Diagnostic("bad-destination", message, self._places.key_source(*path), hint)
            if is_url(source):
                if problem := url_problem(source):
                    yield self._places.error("bad-url", f"{dotted(path)} cannot be used: {problem}", path)
            elif problem := path_problem(source):
                hint = "it is relative to the project's root, or an http(s) URL"
                yield self._places.error("bad-path", f'{dotted(path)} cannot be "{source}": {problem}', path, hint)

    def _accelerators(self, path: Path, names: tuple[str, ...]) -> Iterator[Diagnostic]:
        for index, name in self._places.kept(path, names):
            place = (*path, index)
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}", name):
                hint = "letters, digits, _ . and -, such as A100_40GB"
                yield self._places.error("bad-name", f'{dotted(place)}: "{name}" cannot be an accelerator', place, hint)
            for known in _ACCELERATORS:
                if _plain(name) == _plain(known) and name != known:
                    message = f'{dotted(place)}: the accelerator "{name}" is called {known} elsewhere'
                    hint = f"write {known}, unless the server's settings say {name}"
                    yield Diagnostic("accelerator-name", message, self._places.source(*place), hint, "warning")

    def _steps(self, spec: PipelineSpec) -> Iterator[Diagnostic]:
        first: dict[str, int] = {}
        for index, step in self._places.kept(("steps",), spec.steps):
            path = ("steps", index)
            if step.id in first:
                hint = f"the first stands in line {self._places.source('steps', first[step.id], 'id').line}"
                yield self._places.error("duplicate-name", f'two steps have the id "{step.id}"', (*path, "id"), hint)
            elif is_reserved(step.id):
                hint = f"it is a reserved word; {step.id}_ would do"
                yield self._places.error(
                    "bad-name", f'{dotted((*path, "id"))}: "{step.id}" cannot be a name', (*path, "id"), hint
                )
            first.setdefault(step.id, index)
            if step.accelerator:
                yield from self._accelerators((*path, "accelerator"), step.accelerator)


def is_reserved(name: str) -> bool:
    """Return whether *name* means something to Python or to templates, so that nothing can be called that."""
    return keyword.iskeyword(name) or name in _JINJA_WORDS


def _plain(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", name.upper())
