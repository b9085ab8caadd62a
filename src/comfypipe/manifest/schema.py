"""What a manifest may say: both kinds, as typed values. The reader and the JSON Schema are made from these."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

API_VERSION: Literal["comfypipe/v1"] = "comfypipe/v1"
MEDIA_TYPES = ("image", "mask", "video", "audio", "file")
"""Types, of inputs and of outputs, whose value is a file."""

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_\-]{0,63}$"
IDENTIFIER_PATTERN = r"^[A-Za-z][A-Za-z0-9_]{0,63}$"
PATTERN_RULES: Mapping[str, str] = {
    NAME_PATTERN: "letters, digits, _ and -, beginning with a letter; at most 64",
    IDENTIFIER_PATTERN: "letters, digits and _, beginning with a letter; at most 64",
}
"""By pattern, what it asks for, in words."""

Name: TypeAlias = Annotated[str, Meta(pattern=NAME_PATTERN, description=PATTERN_RULES[NAME_PATTERN])]
Identifier: TypeAlias = Annotated[
    str, Meta(pattern=IDENTIFIER_PATTERN, description=PATTERN_RULES[IDENTIFIER_PATTERN] + ", and no reserved word")
]
Count: TypeAlias = Annotated[int, Meta(ge=0)]


class Spec(Struct, frozen=True, forbid_unknown_fields=True):
    """Base of everything that a manifest declares."""


class _Input(Spec, frozen=True, kw_only=True, tag_field="type"):
    description: Annotated[str, Meta(description="What the input is for, in a line.")] = ""
    required: Annotated[
        bool, Meta(description="false: may be left out though it has no default; the template then sees none.")
    ] = True
    bind: Annotated[
        str | tuple[str, ...],
        Meta(
            description="Where the value goes in an exported .json workflow: NODE.inputs.NAME or TITLE.NAME; "
            "several as a list."
        ),
    ] = ()

    @property
    def type(self) -> str:
        """The name of the input type, as manifests write it."""
        return str(type(self).__struct_config__.tag)

    @property
    def targets(self) -> tuple[str, ...]:
        """``bind`` as a tuple, however it was written."""
        return (self.bind,) if isinstance(self.bind, str) else self.bind


class _Written(_Input, frozen=True, kw_only=True):
    default: str | None = None
    min_length: Annotated[Count | None, Meta(description="Fewest characters.")] = None
    max_length: Annotated[Count | None, Meta(description="Most characters.")] = None
    pattern: Annotated[
        str | None, Meta(description="Regular expression (Python's) that the whole value must match.")
    ] = None


class StringInput(_Written, frozen=True, tag="string"):
    """A line of text."""


class TextInput(_Written, frozen=True, tag="text"):
    """Text of several lines."""


class IntegerInput(_Input, frozen=True, kw_only=True, tag="integer"):
    """A whole number."""

    default: int | None = None
    minimum: Annotated[int | None, Meta(description="Smallest value.")] = None
    maximum: Annotated[int | None, Meta(description="Largest value.")] = None
    multiple_of: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="What the value divides by.")] = None


class NumberInput(_Input, frozen=True, kw_only=True, tag="number"):
    """A number, with or without a fraction."""

    default: float | None = None
    minimum: Annotated[float | None, Meta(description="Smallest value.")] = None
    maximum: Annotated[float | None, Meta(description="Largest value.")] = None
    multiple_of: Annotated[
        Annotated[float, Meta(gt=0)] | None, Meta(description="What the value is a multiple of.")
    ] = None


class BooleanInput(_Input, frozen=True, kw_only=True, tag="boolean"):
    """true or false."""

    default: bool | None = None


class ChoiceInput(_Input, frozen=True, kw_only=True, tag="choice"):
    """One of a list of values."""

    choices: Annotated[tuple[str | int | float, ...], Meta(min_length=1, description="The values to choose from.")]
    default: str | int | float | None = None


class SeedInput(_Input, frozen=True, kw_only=True, tag="seed"):
    """A seed, 0 to 2^64 - 1. Left out, one is drawn once, recorded, and used again by retries and resumes."""

    default: Annotated[int, Meta(ge=0)] | None = None
    minimum: Annotated[Count | None, Meta(description="Smallest value.")] = None
    maximum: Annotated[Count | None, Meta(description="Largest value.")] = None


class _FileInput(_Input, frozen=True, kw_only=True):
    default: Annotated[str | None, Meta(description="Path in the project, or http(s) URL.")] = None


class ImageInput(_FileInput, frozen=True, tag="image"):
    """A picture: a path or a URL."""


class MaskInput(_FileInput, frozen=True, tag="mask"):
    """A picture that is read as a mask."""


class VideoInput(_FileInput, frozen=True, tag="video"):
    """A video file."""


class AudioInput(_FileInput, frozen=True, tag="audio"):
    """A sound file."""


class FileInput(_FileInput, frozen=True, tag="file"):
    """Any other file that a node loads from ComfyUI's input folder."""


class ModelInput(_Input, frozen=True, kw_only=True, tag="model"):
    """The file name of a model, as loader nodes take it: relative to its folder below models/."""

    default: str | None = None
    folder: Annotated[str | None, Meta(description="Folder below models/ that it is in, such as loras.")] = None


class JsonInput(_Input, frozen=True, kw_only=True, tag="json"):
    """Any JSON value."""

    default: Any = None


class ListInput(_Input, frozen=True, kw_only=True, tag="list"):
    """A list whose items are all of one type."""

    items: "Annotated[InputSpec, Meta(description='Type and limits of each item.')]"
    default: tuple[Any, ...] | None = None
    min_items: Annotated[Count | None, Meta(description="Fewest items.")] = None
    max_items: Annotated[Count | None, Meta(description="Most items.")] = None


InputSpec: TypeAlias = (
    StringInput
    | TextInput
    | IntegerInput
    | NumberInput
    | BooleanInput
    | ChoiceInput
    | SeedInput
    | ImageInput
    | MaskInput
    | VideoInput
    | AudioInput
    | FileInput
    | ModelInput
    | JsonInput
    | ListInput
)
"""What one input takes, by its ``type``."""

OutputType: TypeAlias = Literal[
    "image", "mask", "video", "audio", "file", "text", "integer", "number", "boolean", "json"
]


class OutputSpec(Spec, frozen=True, kw_only=True):
    """One output: what it is, and which node saves it."""

    type: Annotated[OutputType, Meta(description="What the node saves; text and numbers come from its shown text.")]
    node: Annotated[str, Meta(min_length=1, description="Id or title of the node.")]
    description: str = ""


class ModelSpec(Spec, frozen=True, kw_only=True):
    """A model file that the workflow needs."""

    path: Annotated[str, Meta(description="Where ComfyUI has it: models/FOLDER/FILE.")]
    url: Annotated[str | None, Meta(description="Where it can be fetched from.")] = None
    sha256: Annotated[str | None, Meta(description="64 hexadecimal digits.")] = None
    size_bytes: Annotated[Count | None, Meta(description="Size of the file in bytes.")] = None
    license: str | None = None


class CustomNodeSpec(Spec, frozen=True, kw_only=True):
    """A package of custom nodes that the workflow needs."""

    id: Annotated[str, Meta(min_length=1, description="Its id in ComfyUI's registry.")]
    version: Annotated[str | None, Meta(description='Which versions do, such as ">=8".')] = None
    url: Annotated[str | None, Meta(description="Its repository.")] = None


class RetrySpec(Spec, frozen=True, kw_only=True):
    """How often a job is tried; only faults that are worth it are tried again."""

    attempts: Annotated[int, Meta(ge=1, le=100, description="Tries in all, the first included.")] = 3


Accelerators: TypeAlias = Annotated[
    tuple[str, ...],
    Meta(description="Accelerators that do, first choice first; out of memory moves on to the next."),
]
Timeout: TypeAlias = Annotated[float, Meta(gt=0, description="Seconds after which a job is given up.")]
Presets: TypeAlias = Annotated[
    dict[Name, dict[str, Any]], Meta(description="Named sets of input values, chosen with --preset.")
]
Inputs: TypeAlias = Annotated[dict[Identifier, InputSpec], Meta(description="What can be set from outside, by name.")]
Tags: TypeAlias = Annotated[tuple[str, ...], Meta(description="Words to find it by.")]


class _Manifest(Spec, frozen=True, kw_only=True, tag_field="kind", rename={"api_version": "apiVersion"}):
    api_version: Literal["comfypipe/v1"]
    name: Annotated[Name, Meta(description="The name that commands use; without it, the file's.")] = ""
    description: Annotated[str, Meta(description="What it makes, in a line.")] = ""
    inputs: Inputs = {}
    presets: Presets = {}
    tags: Tags = ()

    @property
    def kind(self) -> str:
        """``Workflow`` or ``Pipeline``."""
        return str(type(self).__struct_config__.tag)


class WorkflowSpec(_Manifest, frozen=True, kw_only=True, tag="Workflow"):
    """A workflow: one prompt, its inputs, and what it needs."""

    workflow: Annotated[
        str, Meta(description="The template (.json.j2) or export (.json), relative to the project's root.")
    ]
    models: Annotated[tuple[ModelSpec, ...], Meta(description="Model files that it needs.")] = ()
    files: Annotated[
        dict[str, str],
        Meta(description="Files that are always put in place: ComfyUI path to project path or URL."),
    ] = {}
    custom_nodes: Annotated[tuple[CustomNodeSpec, ...], Meta(description="Custom nodes that it needs.")] = ()
    accelerator: Accelerators = ()
    retry: RetrySpec = RetrySpec()
    timeout_s: Timeout = 3600.0
    outputs: Annotated[
        dict[Identifier, OutputSpec],
        Meta(description="Its outputs by name; without any, every saved file is an output."),
    ] = {}


class StepSpec(Spec, frozen=True, kw_only=True):
    """One step of a pipeline: a workflow, and what goes into it."""

    id: Annotated[Identifier, Meta(description="What others read it by: steps.ID.outputs.NAME.")]
    workflow: Annotated[str, Meta(description="Name of the workflow that it runs.")]
    inputs: Annotated[
        dict[str, Any],
        Meta(description='Values, or expressions such as "{{ inputs.photo }}".'),
    ] = {}
    for_each: Annotated[
        str | tuple[Any, ...] | None,
        Meta(description="A list, or an expression that gives one: the step runs once for each {{ item }}."),
    ] = None
    when: Annotated[str | bool | None, Meta(description="The step is skipped when this expression is false.")] = None
    backend: Annotated[str | None, Meta(description="Where it runs: a backend's URL or name.")] = None
    accelerator: Accelerators | None = None
    retry: RetrySpec | None = None
    timeout_s: Timeout | None = None


class PipelineSpec(_Manifest, frozen=True, kw_only=True, tag="Pipeline"):
    """A pipeline: workflows whose outputs feed later ones."""

    steps: Annotated[tuple[StepSpec, ...], Meta(min_length=1, description="The steps, in any order.")]
    outputs: Annotated[
        dict[Identifier, str],
        Meta(description='Its outputs by name, such as "{{ steps.sheet.outputs.image }}".'),
    ] = {}


ManifestSpec: TypeAlias = WorkflowSpec | PipelineSpec
"""A manifest of either kind."""

INPUT_TYPES: Mapping[str, type[Spec]] = {str(each.__struct_config__.tag): each for each in InputSpec.__args__}
