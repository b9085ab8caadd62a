"""Which model files a prompt's stand-ins would load, and whether the manifest declares them."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from comfypipe._types import JSONObject
from comfypipe.engine.registry import NodeClass
from comfypipe.engine.simulation.call import Call
from comfypipe.engine.simulation.declarations import is_model_file
from comfypipe.errors import PromptInvalid
from comfypipe.prompt.graph import Node, PromptGraph

_FOLDERS: Mapping[str, tuple[str, ...]] = {
    "ckpt_name": ("checkpoints",),
    "lora_name": ("loras",),
    "vae_name": ("vae",),
    "unet_name": ("diffusion_models", "unet"),
    "control_net_name": ("controlnet",),
    "style_model_name": ("style_models",),
    "gligen_name": ("gligen",),
    "hypernetwork_name": ("hypernetworks",),
    "photomaker_model_name": ("photomaker",),
    "audio_encoder_name": ("audio_encoders",),
}
"""By input, ComfyUI's folders below ``models`` that it lists."""

_CLIP = ("text_encoders", "clip")
_CLASS_FOLDERS: Mapping[str, tuple[str, ...]] = {
    "UpscaleModelLoader": ("upscale_models",),
    "CLIPVisionLoader": ("clip_vision",),
    "ModelPatchLoader": ("model_patches",),
    "CLIPLoader": _CLIP,
    "DualCLIPLoader": _CLIP,
    "TripleCLIPLoader": _CLIP,
    "QuadrupleCLIPLoader": _CLIP,
}


def refuse_undeclared(graph: PromptGraph, classes: Mapping[str, NodeClass], declared: Iterable[str]) -> None:
    """
    Return, if every model file that a simulated node names is declared.

    Args:
        declared: Paths as manifests have them: ``models/<folder>/<file>``.

    Raises:
        PromptInvalid: With the places, and what to declare.
    """
    paths = _normal(declared)
    errors: JSONObject = {}
    hints: list[str] = []
    for node in graph.nodes.values():
        node_class = classes.get(node.class_type)
        if node_class is None or not node_class.simulated:
            continue
        for name, value in _named(node):
            if not _is_declared(node.class_type, name, value, paths):
                _add(errors, node, name, value)
                hints.append(_candidates(node.class_type, name, value)[0])
    if errors:
        missing = ", ".join(dict.fromkeys(hints))
        raise PromptInvalid(
            f"the manifest does not declare the model {missing}",
            error={
                "type": "prompt_outputs_failed_validation",
                "message": "Prompt outputs failed validation",
                "details": f"undeclared models: {missing}",
                "extra_info": {},
            },
            node_errors=errors,
            hint=f"add to models in the manifest: - path: {hints[0]}",
        )


def check_names(call: Call) -> None:
    """
    Return, if every model file that a call names is declared: also one whose name a link has brought.

    Raises:
        ValueError: With the input, and what to declare.
    """
    if call.context.circumstances.models is None:
        return
    paths = _normal(call.context.circumstances.models)
    for name, value in call.inputs.items():
        if isinstance(value, str) and is_model_file(value) and not _is_declared(call.class_type, name, value, paths):
            path = _candidates(call.class_type, name, value)[0]
            raise ValueError(
                f"{name}: the manifest does not declare the model {path}; add it to models: - path: {path}"
            )


def _normal(declared: Iterable[str]) -> set[str]:
    return {str(PurePosixPath(each.replace("\\", "/"))) for each in declared}


def _named(node: Node) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in node.inputs.items() if isinstance(value, str) and is_model_file(value))


def _candidates(class_type: str, name: str, value: str) -> tuple[str, ...]:
    folders = _CLASS_FOLDERS.get(class_type) or _FOLDERS.get(name) or ("<folder>",)
    return tuple(f"models/{folder}/{value.replace(chr(92), '/')}" for folder in folders)


def _is_declared(class_type: str, name: str, value: str, paths: set[str]) -> bool:
    candidates = _candidates(class_type, name, value)
    if not candidates[0].startswith("models/<folder>/"):
        return any(each in paths for each in candidates)
    # Of classes that nobody here knows, any folder will do.
    return any(each == value or each.endswith(f"/{value.replace(chr(92), '/')}") for each in paths)


def _add(errors: JSONObject, node: Node, name: str, value: str) -> None:
    entry = errors.setdefault(node.id, {"errors": [], "dependent_outputs": [], "class_type": node.class_type})
    entry["errors"].append(
        {
            "type": "model_not_declared",
            "message": "The manifest does not declare this model",
            "details": f"{name}: '{value}'",
            "extra_info": {"input_name": name, "received_value": value},
        }
    )
