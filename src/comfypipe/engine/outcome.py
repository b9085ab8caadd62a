"""How a prompt ended in the engine."""

from collections.abc import Mapping
from dataclasses import dataclass

from comfypipe._types import JSONObject
from comfypipe.engine.events import RunFailed, RunInterrupted, RunSucceeded


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    The result of one prompt; a failed one keeps what was made before the failure.

    Attributes:
        end: How it ended.
        outputs: By id of the output nodes, what they show, in the order in which they came.
        cached: Nodes that were not run again.
        node_seconds: Execution time of the nodes that ran, in their order.
        seconds: From start to end.
        simulated: Whether any node that was wanted stands in for one that needs a model.
    """

    prompt_id: str
    end: RunSucceeded | RunFailed | RunInterrupted
    outputs: Mapping[str, JSONObject]
    cached: tuple[str, ...]
    node_seconds: Mapping[str, float]
    seconds: float
    simulated: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether every wanted output is there."""
        return isinstance(self.end, RunSucceeded)
