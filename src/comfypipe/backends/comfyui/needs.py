"""What a prompt needs of the server that it goes to: node classes and models."""

from collections.abc import Iterator
from dataclasses import dataclass

from comfypipe.prompt.graph import PromptGraph
from comfypipe.prompt.object_info import ObjectInfo

MODEL_SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pt2", ".pth", ".bin", ".gguf", ".onnx", ".pkl")
"""How the names of model files end. Source: ComfyUI ``folder_paths.py`` (0.3.64); some are of custom nodes."""


@dataclass(frozen=True, slots=True, order=True)
class ModelUse:
    """A model that a node names."""

    class_type: str
    input_name: str
    filename: str


@dataclass(frozen=True, slots=True)
class Needs:
    """
    What a server must have.

    Attributes:
        classes: Class types of all nodes.
        uses: Every place where a model is named.
        models: The file names of the models, with their folders, as prompts name them.
    """

    classes: frozenset[str]
    uses: frozenset[ModelUse]
    models: frozenset[str]

    def missing_from(self, info: ObjectInfo) -> tuple[str, ...]:
        """Return what a server lacks, in words; a model is missing when the node offers a choice without it."""
        classes = [f"the node class {each}" for each in sorted(self.classes) if each not in info]
        return (*classes, *(f"the model {each.filename}" for each in sorted(self.uses) if _is_missing(each, info)))


def needs_of(graph: PromptGraph) -> Needs:
    """Return what the nodes of a prompt name."""
    uses = frozenset(_uses(graph))
    classes = frozenset(node.class_type for node in graph.nodes.values())
    return Needs(classes, uses, frozenset(each.filename for each in uses))


def _uses(graph: PromptGraph) -> Iterator[ModelUse]:
    for node in graph.nodes.values():
        for name, value in node.inputs.items():
            if isinstance(value, str) and value.lower().endswith(MODEL_SUFFIXES) and "\n" not in value:
                yield ModelUse(node.class_type, name, value)


def _is_missing(use: ModelUse, info: ObjectInfo) -> bool:
    if use.class_type not in info:
        return False  # said already
    declared = info[use.class_type].inputs.get(use.input_name)
    return declared is not None and declared.choices is not None and use.filename not in declared.choices
