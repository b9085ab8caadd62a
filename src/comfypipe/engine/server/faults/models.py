"""Models as far as it matters where they are loaded: their names, and how long a load takes."""

from collections import OrderedDict
from collections.abc import Iterable

from comfypipe._types import JSONObject

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
