"""Models as far as it matters where they are loaded: their names, and how long a load takes."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from comfypipe._types import JSONObject
from comfypipe.engine.registry import InputSpec, NodeClass, Registry, outputs, required

SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf")


def models_of(prompt: JSONObject) -> tuple[str, ...]:
    """Return the names of models that stand in a prompt's inputs, each once, in order."""
    values = (value for node in prompt.values() for value in node.get("inputs", {}).values())
    return tuple(dict.fromkeys(each for each in values if isinstance(each, str) and each.lower().endswith(SUFFIXES)))


class ModelMemory:
    """Which models are loaded: the last ones used."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[str, None] = OrderedDict()

    def load(self, models: Iterable[str], slots: int) -> list[str]:
        """Use *models*; return those that were not there. No more than *slots* stay, the last ones used."""
        missing = []
        for model in models:
            if model not in self._loaded:
                missing.append(model)
            self._loaded[model] = None
            self._loaded.move_to_end(model)
        while len(self._loaded) > slots:
            self._loaded.popitem(last=False)
        return missing


def with_loaders(registry: Registry, names: Sequence[str]) -> Registry:
    """
    Return a registry that has stand-ins for ComfyUI's loaders of models too; their outputs are the models' names.

    Args:
        names: The models that there are; any name is taken where there are none.
    """
    added = [each for each in _loaders(names) if each.class_type not in registry]
    return Registry([*registry.values(), *added])


def _loaders(names: Sequence[str]) -> list[NodeClass]:
    choice = InputSpec(tuple(names)) if names else required("STRING")
    lora = {"model": required("MODEL"), "lora_name": choice, "strength_model": required("FLOAT", default=1.0)}
    return [
        NodeClass(
            "CheckpointLoaderSimple",
            lambda ckpt_name: (ckpt_name, ckpt_name, ckpt_name),
            {"ckpt_name": choice},
            outputs("MODEL", "CLIP", "VAE"),
        ),
        NodeClass("UNETLoader", lambda unet_name: (unet_name,), {"unet_name": choice}, outputs("MODEL")),
        NodeClass("VAELoader", lambda vae_name: (vae_name,), {"vae_name": choice}, outputs("VAE")),
        NodeClass(
            "LoraLoaderModelOnly",
            lambda model, lora_name, strength_model: (f"{model}+{lora_name}*{strength_model}",),
            lora,
            outputs("MODEL"),
        ),
    ]
