"""What happens while a prompt runs, as values: the engine tells a listener, in order, from the thread that runs it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from comfypipe._types import JSONObject


def now_ms() -> int:
    """Return the time in milliseconds since 1970, as ComfyUI stamps its messages."""
    return int(time.time() * 1000)


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The prompt left the queue."""

    prompt_id: str
    at_ms: int = field(default_factory=now_ms)


@dataclass(frozen=True, slots=True)
class NodesCached:
    """These nodes will not run: their results are still there. Comes once, right after the start."""

    prompt_id: str
    node_ids: tuple[str, ...]
    at_ms: int = field(default_factory=now_ms)


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A node is about to run."""

    prompt_id: str
    node_id: str
    class_type: str


@dataclass(frozen=True, slots=True)
class NodeProgressed:
    """
    The running node has done *value* of *maximum* steps.

    Attributes:
        preview: A picture of how far it is, JPEG or PNG.
    """

    prompt_id: str
    node_id: str
    value: float
    maximum: float
    preview: bytes | None = None


@dataclass(frozen=True, slots=True)
class NodeSaid:
    """The running node shows a line of text."""

    prompt_id: str
    node_id: str
    text: str


@dataclass(frozen=True, slots=True)
class NodeOutput:
    """
    A node has something to show.

    Attributes:
        ui: What it shows; None for a cached output node that never showed anything.
        cached: It did not run: this is what it showed before.
    """

    prompt_id: str
    node_id: str
    ui: JSONObject | None
    cached: bool = False


@dataclass(frozen=True, slots=True)
class NodeFinished:
    """A node is done; *cached* ones did not run."""

    prompt_id: str
    node_id: str
    cached: bool = False


@dataclass(frozen=True, slots=True)
class RunSucceeded:
    """Every wanted output is there."""

    prompt_id: str
    at_ms: int = field(default_factory=now_ms)


@dataclass(frozen=True, slots=True)
class RunInterrupted:
    """The run was stopped before or within a node, on request."""

    prompt_id: str
    node_id: str
    class_type: str
    executed: tuple[str, ...]
    at_ms: int = field(default_factory=now_ms)


@dataclass(frozen=True, slots=True)
class RunFailed:
    """
    A node raised an error, and the run ended there.

    Attributes:
        executed: Nodes that had run before.
        message: As ComfyUI words it: the exception's text with a line end.
        exception_type: Qualified, except for built-in ones: ``ValueError``, ``PIL.UnidentifiedImageError``.
        traceback: One entry for each frame, as ``traceback.format_tb`` gives them.
        current_inputs: By input, its values; what is no number or string is described in words.
        known_nodes: Ids of all nodes of the prompt (ComfyUI's ``current_outputs``).
        errno: The operating system's number, where it was an `OSError`.
    """

    prompt_id: str
    node_id: str
    class_type: str
    executed: tuple[str, ...]
    message: str
    exception_type: str
    traceback: tuple[str, ...]
    current_inputs: JSONObject
    known_nodes: tuple[str, ...]
    errno: int | None = None
    at_ms: int = field(default_factory=now_ms)


Event: TypeAlias = (
    RunStarted
    | NodesCached
    | NodeStarted
    | NodeProgressed
    | NodeSaid
    | NodeOutput
    | NodeFinished
    | RunSucceeded
    | RunInterrupted
    | RunFailed
)

Listener: TypeAlias = Callable[[Event], None]
