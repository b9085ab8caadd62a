"""One call of a simulated node: what came in, and what is asked of it again and again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from comfypipe.engine.pixels.values import Floats
from comfypipe.engine.registry import LiveContext
from comfypipe.engine.runner import Circumstances
from comfypipe.engine.sampling import Noise
from comfypipe.engine.simulation.costs import Costs
from comfypipe.engine.simulation.declarations import Declaration, is_model_file
from comfypipe.engine.simulation.families import Family, family_of
from comfypipe.engine.simulation.pictures import hint_of
from comfypipe.engine.simulation.stamp import Mark
from comfypipe.engine.simulation.stand_in import Hint, StandIn, digest_of, stand_ins
from comfypipe.engine.video.value import Video

_SEEDS = ("noise_seed", "seed")
_TEXTS = ("prompt", "text", "positive", "positive_prompt", "prompt_text", "description", "text_g", "clip_l", "tags")


class SimulationContext(LiveContext, Protocol):
    """What a simulated node asks of its execution."""

    @property
    def circumstances(self) -> Circumstances:
        """What the run is asked to run on, and which model files it may use."""

    def pause(self, seconds: float) -> None:
        """Do nothing for so long; raises at once where the run is to stop."""


@dataclass(frozen=True)
class Call:
    """
    A call.

    Attributes:
        inputs: By name, as they came.
    """

    declaration: Declaration
    inputs: Mapping[str, Any]
    context: SimulationContext
    costs: Costs

    @property
    def class_type(self) -> str:
        """The class that is stood in for."""
        return self.declaration.class_type

    @cached_property
    def digest(self) -> bytes:
        """Names the class and everything that came in."""
        return digest_of(self.class_type, dict(self.inputs))

    @cached_property
    def stand_ins(self) -> tuple[StandIn, ...]:
        """The stand-ins that came in, in order."""
        return tuple(stand_ins(self.values()))

    def values(self) -> Iterator[Any]:
        """Yield the values that came in, one after the other, also where lists are taken."""
        for value in self.inputs.values():
            yield from value if self.declaration.input_is_list and isinstance(value, list) else (value,)

    def takes(self, name: str) -> str | None:
        """Return the type of an input; None for one that is not declared, or that is a choice."""
        spec = self.declaration.inputs.get(name)
        return spec.type if spec is not None and isinstance(spec.type, str) else None

    def of_kind(self, kind: str) -> tuple[StandIn, ...]:
        """Return the stand-ins of a type."""
        return tuple(each for each in self.stand_ins if each.kind == kind)

    @cached_property
    def images(self) -> tuple[Floats, ...]:
        """The pictures that came in: (batch, height, width, channel)."""
        return tuple(each for each in self.values() if isinstance(each, np.ndarray) and each.ndim == 4 and each.size)

    @cached_property
    def latents(self) -> tuple[dict[str, Any], ...]:
        """The latents that came in."""
        return tuple(
            each for each in self.values() if isinstance(each, dict) and isinstance(each.get("samples"), np.ndarray)
        )

    @cached_property
    def video(self) -> Video | None:
        """The first video that came in."""
        return next((each for each in self.values() if isinstance(each, Video)), None)

    @cached_property
    def seed(self) -> int | None:
        """What noise is drawn from."""
        own = next((int(self.inputs[name]) for name in _SEEDS if isinstance(self.inputs.get(name), (int, float))), None)
        if own is not None:
            return own
        carrying = (each for each in self.values() if isinstance(each, (StandIn, Noise)))
        return next((each.seed for each in carrying if each.seed is not None), None)

    @cached_property
    def text(self) -> str:
        """What the prompt says: the node's own, else that of what came in first."""
        named = (self.inputs.get(name) for name in _TEXTS)
        own = next((each for each in named if isinstance(each, str) and each.strip()), "")
        if not own and any(each.type == "CONDITIONING" for each in self.declaration.outputs):
            own = " ".join(dict.fromkeys(each for each in self._texts() if each.strip()))
        return own or next((each.text for each in self.stand_ins if each.text), "")

    def _texts(self) -> Iterator[str]:
        for name, spec in self.declaration.inputs.items():
            value = self.inputs.get(name)
            if spec.type == "STRING" and isinstance(value, str):
                yield value

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Names of the model files that are loaded here."""
        return tuple(each for each in self.values() if isinstance(each, str) and is_model_file(each))

    @cached_property
    def family(self) -> Family | None:
        """The model family, as far as anything tells of it."""
        if self.files:
            told = next((found for each in self.files if (found := family_of(each)) is not None), None)
            if told is not None:
                return told
        return next((each.family for each in self.stand_ins if each.family is not None), None)

    @cached_property
    def hint(self) -> Hint | None:
        """A small picture of what came in, for what is made of it to resemble."""
        if self.images:
            return hint_of(self.images[0])
        own = next((each.hint for each in self.stand_ins if each.hint is not None), None)
        return (
            own
            if own is not None
            else next((found for each in self.latents if (found := _seen(each)) is not None), None)
        )

    @property
    def mark(self) -> Mark:
        """What the stamp of a picture made here says."""
        return Mark(self.class_type, self.seed, self.text)

    def integer(self, *names: str, default: int) -> int:
        """Return the first of these inputs that is a whole number."""
        for name in names:
            value = self.inputs.get(name)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value:
                return int(value)
        return default

    def spend(self, estimate_s: float, memory_gb: float = 0.0) -> None:
        """
        Take the time, and the memory, of the call.

        Raises:
            MemoryError: There is not so much memory.
        """
        self.costs.check_memory(self.class_type, memory_gb, self.context.circumstances.accelerator)
        seconds = self.costs.seconds_of(self.class_type, estimate_s)
        if seconds > 0:
            self.context.pause(seconds)


def _seen(latent: Mapping[str, Any]) -> Hint | None:
    samples = latent["samples"]
    if samples.ndim not in (4, 5) or samples.shape[1] < 3 or not samples.size or not samples.any():
        return None
    cells = samples[0, :3, 0] if samples.ndim == 5 else samples[0, :3]
    return np.asarray(np.clip(cells.transpose(1, 2, 0) / 2 + np.float32(0.5), 0, 1), np.float32)
