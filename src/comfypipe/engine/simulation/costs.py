"""What a simulated node is charged: time that is slept, memory that may not be there. All of it can be set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_NONE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Costs:
    """
    What is charged.

    Attributes:
        speed: How many times faster than the estimates, which are those of a small data-centre card. None: estimates
            take no time at all.
        seconds: By class, how long each call takes instead of the estimate; divided by *speed* where there is one.
        memory_gb: What every accelerator has; None: as much as is asked for.
        accelerator_gb: By name, what an accelerator has instead.
    """

    speed: float | None = None
    seconds: Mapping[str, float] = field(default_factory=lambda: _NONE)
    memory_gb: float | None = None
    accelerator_gb: Mapping[str, float] = field(default_factory=lambda: _NONE)

    def seconds_of(self, class_type: str, estimate_s: float) -> float:
        """Return how long a call takes."""
        if class_type in self.seconds:
            return self.seconds[class_type] / (self.speed or 1)
        return estimate_s / self.speed if self.speed else 0.0

    def check_memory(self, class_type: str, needed_gb: float, accelerator: str | None) -> None:
        """
        Return, if there is so much memory.

        Raises:
            MemoryError: There is less.
        """
        limit_gb = self.accelerator_gb.get(accelerator or "", self.memory_gb)
        if limit_gb is not None and needed_gb > limit_gb:
            raise MemoryError(
                f"simulated: {class_type} needs about {needed_gb:.1f} GB, "
                f"and {accelerator or 'the accelerator'} has {limit_gb:g} GB"
            )


LOAD_S_PER_GB = 0.5
ENCODE_TEXT_S = 0.3
STEP_S_PER_MEGAPIXEL = 0.35
DECODE_S_PER_MEGAPIXEL = 0.4
UPSCALE_S_PER_MEGAPIXEL = 0.5
SAMPLE_GB_PER_MEGAPIXEL = 0.6
DECODE_GB_PER_MEGAPIXEL = 0.4
