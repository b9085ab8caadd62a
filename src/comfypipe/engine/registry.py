"""Node classes of the engine: how one is declared, found, and described to clients as ``object_info``."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from comfypipe._types import JSON, JSONObject


@dataclass(frozen=True, slots=True)
class InputSpec:
    """
    What one input of a node class takes.

    Attributes:
        type: A type name (``IMAGE``, ``INT``, ``*``), or a tuple of choices for a combo.
        options: ``default``, ``min``, ``max``, ``step``, ``tooltip``, … as ComfyUI declares them.
        folder: For combos of files: the folder below ``input`` that is listed at the time of asking (``""`` the folder
            itself), filtered by *media*.
        lists_folders: Folders are listed instead of files.
        deep: Files in folders below *folder* are listed too, all of them by their path from ``input`` on.
        always_options: A V1 class that declares empty options: described as ``[type, {}]``, not as ``[type]``.
    """

    type: str | tuple[JSON, ...]
    options: Mapping[str, JSON] = field(default_factory=dict)
    optional: bool = False
    folder: str | None = None
    media: tuple[str, ...] = ()
    always_options: bool = False
    lists_folders: bool = False
    deep: bool = False


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """One output slot."""

    type: str
    name: str = ""
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """
    What a node returns when a bare tuple of outputs does not say enough.

    Attributes:
        outputs: One value for each declared output.
        ui: What clients see of an output node, such as ``{"images": [{"filename", "subfolder", "type"}]}``.
    """

    outputs: tuple[Any, ...] = ()
    ui: JSONObject | None = None


@dataclass(frozen=True, slots=True)
class Folders:
    """ComfyUI's three folders of files."""

    input: Path
    output: Path
    temp: Path


class Context(Protocol):
    """What a node may ask of its execution: passed as ``context`` to functions that have such a parameter."""

    @property
    def folders(self) -> Folders:
        """Where files are read and written."""

    @property
    def node_id(self) -> str:
        """Id of the node that runs."""

    @property
    def prompt(self) -> JSONObject:
        """The prompt in API format, as it is embedded into files."""

    @property
    def extra_pnginfo(self) -> JSONObject:
        """``extra_data.extra_pnginfo`` of the submission, such as ``{"workflow": …}``; empty when none came."""

    def progress(self, value: int, maximum: int) -> None:
        """Report *value* of *maximum* steps done; raises the engine's interruption when one was asked for."""


class LiveContext(Context, Protocol):
    """A context through which a node also shows what it is doing; every node may ask for it in place of `Context`."""

    def progress(self, value: int, maximum: int, preview: bytes | None = None) -> None:
        """Report steps, with a picture of how far it is (JPEG or PNG)."""

    def say(self, text: str) -> None:
        """Show a line of text on the node."""


@dataclass(frozen=True, slots=True)
class NodeClass:
    """
    One class of node that the engine executes.

    Attributes:
        function: Called with the inputs by name, and ``context=`` where it has that parameter. Returns a tuple with
            one value for each output, or a `Result`.
        validate: Called before execution with the literal inputs it names and ``folders=``; returns a message where
            something is wrong (ComfyUI's ``custom_validation_failed``), else None. A file that is missing, mostly.
        fingerprint: Called with the inputs and ``folders=``; its result is part of the cache key (``IS_CHANGED``). NaN
            means that the node runs every time.
        lazy: For classes with inputs that have the option ``lazy``: called with the inputs that are there, and None for
            those that were not run for; returns the names of those that the node needs (``check_lazy_status``).
        input_is_list: The function takes every input as a whole list (``INPUT_IS_LIST``).
        schema: The form in which ``object_info`` describes the combos: V1 choices are checked by validation, V3 not.
        simulated: It stands in for a class that needs a model: what depends on it is marked as simulated.
        declared: How another server describes the class in ``object_info``, where that is to be repeated.
    """

    class_type: str
    function: Callable[..., "tuple[Any, ...] | Result"]
    inputs: Mapping[str, InputSpec]
    outputs: tuple[OutputSpec, ...]
    output_node: bool = False
    input_is_list: bool = False
    schema: Literal["v1", "v3"] = "v1"
    category: str = ""
    display_name: str | None = None
    description: str = ""
    module: str = "nodes"
    experimental: bool = False
    hidden: Mapping[str, str] = field(default_factory=dict)
    validate: Callable[..., str | None] | None = None
    fingerprint: Callable[..., JSON] | None = None
    lazy: Callable[..., Sequence[str]] | None = None
    simulated: bool = False
    declared: JSONObject | None = None


class Registry(Mapping[str, NodeClass]):
    """An immutable set of node classes, by class type."""

    def __init__(self, classes: Sequence[NodeClass]) -> None:
        self._classes = {each.class_type: each for each in classes}
        if len(self._classes) != len(classes):
            seen = [each.class_type for each in classes]
            twice = sorted({name for name in seen if seen.count(name) > 1})
            raise ValueError(f"declared twice: {', '.join(twice)}")

    def __getitem__(self, class_type: str) -> NodeClass:
        return self._classes[class_type]

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)

    def object_info(self, folders: Folders | None = None) -> JSONObject:
        """
        Describe all classes in the shape of ``GET /object_info``.

        Args:
            folders: Where combos of files list their choices; without it those lists are empty.
        """
        return {name: describe(each, folders) for name, each in self._classes.items()}


def describe(node: NodeClass, folders: Folders | None = None) -> JSONObject:
    """Return one entry of ``/object_info``. Source: ComfyUI ``server.py``, ``node_info`` (0.3.64)."""
    if node.declared is not None:
        return node.declared
    groups: dict[str, dict[str, JSON]] = {"required": {}}
    for name, spec in node.inputs.items():
        groups.setdefault("optional" if spec.optional else "required", {})[name] = _describe_input(
            spec, node.schema, folders
        )
    if node.hidden:
        groups["hidden"] = {name: [kind] if node.schema == "v3" else kind for name, kind in node.hidden.items()}
    entry: JSONObject = {
        "input": groups,
        "input_order": {group: list(inputs) for group, inputs in groups.items()},
        "output": [each.type for each in node.outputs],
        "output_is_list": [each.is_list for each in node.outputs],
        "output_name": [each.name or each.type for each in node.outputs],
        "name": node.class_type,
        "display_name": node.display_name if node.schema == "v3" else node.display_name or node.class_type,
        "description": node.description,
        "python_module": node.module,
        "category": node.category,
        "output_node": node.output_node,
    }
    if node.schema == "v3":
        entry["output_tooltips"] = [None for _ in node.outputs]
        entry |= {"deprecated": False, "experimental": node.experimental, "api_node": False}
    elif node.experimental:
        entry["experimental"] = True
    return entry


def _describe_input(spec: InputSpec, schema: Literal["v1", "v3"], folders: Folders | None) -> JSON:
    options = dict(spec.options)
    choices = _list_files(spec, folders) if spec.folder is not None else spec.type
    if isinstance(choices, str):
        return [choices, options] if options or schema == "v3" or spec.always_options else [choices]
    if schema == "v3":
        return ["COMBO", {**options, "multiselect": False, "options": list(choices)}]
    return [list(choices), options] if options else [list(choices)]


def _list_files(spec: InputSpec, folders: Folders | None) -> tuple[str, ...]:
    if folders is None or not (folders.input / (spec.folder or "")).is_dir():
        return ()
    folder = folders.input / (spec.folder or "")
    listed = folder.rglob("*") if spec.deep else folder.iterdir()
    found = (each for each in listed if (each.is_dir() if spec.lists_folders else each.is_file()))
    start = folders.input if spec.deep else folder
    fitting = (each for each in found if not spec.media or each.suffix.lower() in spec.media)
    return tuple(sorted(each.relative_to(start).as_posix() for each in fitting))


# The declarations below are what files in ``nodes/`` are written with.


def required(kind: str, **options: JSON) -> InputSpec:
    """Declare an input of type *kind* that must be given."""
    return InputSpec(kind, options)


def optional(kind: str, **options: JSON) -> InputSpec:
    """Declare an input of type *kind* that may be left out: the function's own default applies."""
    return InputSpec(kind, options, optional=True)


def integer(default: int | None, minimum: int | None = None, maximum: int | None = None, **options: JSON) -> InputSpec:
    """Declare an INT with its range; pass ``step=1`` where ComfyUI does."""
    return InputSpec("INT", _number_options(default, minimum, maximum, options))


def number(
    default: float | None, minimum: float | None = None, maximum: float | None = None, **options: JSON
) -> InputSpec:
    """Declare a FLOAT with its range."""
    return InputSpec("FLOAT", _number_options(default, minimum, maximum, options))


def combo(*choices: JSON, **options: JSON) -> InputSpec:
    """Declare a choice among *choices*."""
    return InputSpec(choices, options)


def files(folder: str, *media: str, **options: JSON) -> InputSpec:
    """Declare a choice among the files of a folder below ``input`` whose suffix is in *media*."""
    return InputSpec((), options, folder=folder, media=media)


def files_below(folder: str, *media: str, **options: JSON) -> InputSpec:
    """Declare a choice among the files at any depth below a folder in ``input``, by their path from ``input`` on."""
    return InputSpec((), options, folder=folder, media=media, deep=True)


def subfolders(folder: str, **options: JSON) -> InputSpec:
    """Declare a choice among the folders in a folder below ``input``."""
    return InputSpec((), options, folder=folder, lists_folders=True)


def _number_options(
    default: float | None, minimum: float | None, maximum: float | None, options: Mapping[str, JSON]
) -> JSONObject:
    given = {"default": default, "min": minimum, "max": maximum}
    return {key: value for key, value in given.items() if value is not None} | dict(options)


def outputs(*types: str, names: Sequence[str] = (), is_list: bool = False) -> tuple[OutputSpec, ...]:
    """Declare output slots by type; *names* where they differ from the types."""
    return tuple(OutputSpec(kind, names[index] if names else "", is_list) for index, kind in enumerate(types))
