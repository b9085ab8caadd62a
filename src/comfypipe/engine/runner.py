"""One prompt's way through the engine, from its first node to its end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from comfypipe._types import JSONObject
from comfypipe.engine.cache import Cache, Entry
from comfypipe.engine.calls import call_node, declares
from comfypipe.engine.events import (
    Event,
    Listener,
    NodeFinished,
    NodeOutput,
    NodeProgressed,
    NodeSaid,
    NodesCached,
    NodeStarted,
    RunFailed,
    RunInterrupted,
    RunStarted,
    RunSucceeded,
)
from comfypipe.engine.failure import failure_of
from comfypipe.engine.files import files_exist
from comfypipe.engine.interruption import Interrupted, Interruption
from comfypipe.engine.live import LiveValues
from comfypipe.engine.outcome import Outcome
from comfypipe.engine.registry import Folders, NodeClass
from comfypipe.engine.schedule import Schedule
from comfypipe.prompt.graph import Link, Node, PromptGraph

_Inputs = Mapping[str, tuple[Any, ...]]

SIMULATED: JSONObject = {
    "simulated": {"by": "comfypipe", "note": "Nodes that need a model were stood in for: this is a placeholder."}
}
"""What is embedded into files that are not real, beside the prompt."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """
    What only stand-ins mind.

    Attributes:
        accelerator: What the run is asked to run on.
        models: Paths of the model files that may be used; None for any.
    """

    accelerator: str | None = None
    models: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """
    What is to run.

    Attributes:
        prompt: The prompt as it is embedded into files.
        outputs: Output nodes that are wanted.
        keys: Content keys of those nodes and of all that they read; None where a result must not be used again.
        simulated: Those nodes that stand in for another, and all that depend on them.
    """

    prompt_id: str
    graph: PromptGraph
    prompt: JSONObject
    extra_pnginfo: JSONObject
    outputs: tuple[str, ...]
    keys: Mapping[str, bytes | None]
    classes: Mapping[str, NodeClass]
    folders: Folders
    simulated: frozenset[str] = frozenset()
    circumstances: Circumstances = Circumstances()

    def extras_of(self, node_id: str) -> JSONObject:
        """Return what a node embeds into files beside the prompt: that it is simulated, too, where it is."""
        return self.extra_pnginfo | SIMULATED if node_id in self.simulated else self.extra_pnginfo

    def class_of(self, node_id: str) -> NodeClass:
        """Return the class of a node."""
        return self.classes[self.graph.nodes[node_id].class_type]


@dataclass(frozen=True, slots=True)
class NodeContext:
    """What a node may ask of its execution (`comfypipe.engine.registry.LiveContext`)."""

    folders: Folders
    prompt_id: str
    node_id: str
    prompt: JSONObject
    extra_pnginfo: JSONObject
    report: Callable[[NodeProgressed | NodeSaid], None]
    wait: Callable[[float], None]
    circumstances: Circumstances = Circumstances()

    def progress(self, value: float, maximum: float, preview: bytes | None = None) -> None:
        """Report *value* of *maximum* steps done, maybe with a picture; raises where the run is to stop."""
        self.report(NodeProgressed(self.prompt_id, self.node_id, value, maximum, preview))

    def pause(self, seconds: float) -> None:
        """Do nothing for so long; raises at once where the run is to stop."""
        self.wait(seconds)

    def say(self, text: str) -> None:
        """Show a line of text on the node."""
        self.report(NodeSaid(self.prompt_id, self.node_id, text))


class Runner:
    """
    Runs the nodes of one prompt, one after the other, in the calling thread.

    Args:
        listener: Told what happens, in order; what it raises ends the run.
    """

    def __init__(self, work: Work, cache: Cache, interruption: Interruption, listener: Listener | None) -> None:
        self._work = work
        self._cache = cache
        self._interruption = interruption
        self._tell: Callable[[Event], object] = listener or (lambda _event: None)
        hits = {node_id: entry for node_id in work.keys if (entry := self._cached(node_id)) is not None}
        self._shown_before = {node_id: entry.ui for node_id, entry in hits.items()}
        self._values = LiveValues(work.graph, work.outputs, hits.__contains__)
        for node_id in self._values.wanted:
            if node_id in hits:
                self._values.put(node_id, hits[node_id].outputs)
        self._executed: list[str] = []
        self._outputs: dict[str, JSONObject] = {}
        self._node_seconds: dict[str, float] = {}
        self._schedule = Schedule(
            work.graph,
            done=hits.__contains__,
            is_output=lambda node_id: work.class_of(node_id).output_node,
            is_lazy=lambda node_id, name: is_lazy(work.class_of(node_id), name),
        )

    def run(self) -> Outcome:
        """Run everything, and return how it ended. Errors of nodes are an outcome, not an exception."""
        began = perf_counter()
        prompt_id = self._work.prompt_id
        self._tell(RunStarted(prompt_id))
        cached = tuple(node_id for node_id in self._work.graph.nodes if node_id in self._shown_before)
        self._tell(NodesCached(prompt_id, cached))
        end = self._run_nodes() or RunSucceeded(prompt_id)
        self._tell(end)
        return Outcome(
            prompt_id,
            end,
            self._outputs,
            cached,
            self._node_seconds,
            perf_counter() - began,
            bool(self._work.simulated),
        )

    def _run_nodes(self) -> RunFailed | RunInterrupted | None:
        self._schedule.want(self._work.outputs)
        while (node_id := self._schedule.next()) is not None:
            if node_id in self._shown_before:
                self._show_again(node_id, self._shown_before[node_id])
                self._schedule.complete(node_id)
            elif (twin := self._cached(node_id)) is not None:  # a node just like it ran in this very prompt
                self._show_again(node_id, twin.ui)
                self._complete(node_id, twin)
            elif (stopped := self._run_node(node_id)) is not None:
                return stopped
        return None

    def _run_node(self, node_id: str) -> RunFailed | RunInterrupted | None:
        node = self._work.graph.nodes[node_id]
        self._tell(NodeStarted(self._work.prompt_id, node_id, node.class_type))
        inputs: _Inputs = {}
        try:
            inputs = self._gather(node)
            missing = self._missing_lazy(node, inputs)
            if missing:
                self._schedule.require(node_id, missing)
            else:
                self._finish(node_id, self._call(node_id, inputs))
        except Interrupted:
            return RunInterrupted(self._work.prompt_id, node_id, node.class_type, tuple(self._executed))
        except Exception as error:  # noqa: BLE001  whatever a node raises is the result of the run
            return self._failure(error, node, inputs)
        return None

    def _gather(self, node: Node) -> _Inputs:
        declared = self._work.classes[node.class_type].inputs
        inputs = {}
        for name, value in node.inputs.items():
            if isinstance(value, Link):
                if value.node_id in self._values:
                    inputs[name] = self._values.read(value)
            elif name in declared:
                inputs[name] = (value,)
        return inputs

    def _missing_lazy(self, node: Node, inputs: _Inputs) -> list[str]:
        node_class = self._work.classes[node.class_type]
        waiting = [name for name, _ in node.links() if name not in inputs]
        if not waiting or node_class.lazy is None:
            return []
        known = {name: values[0] for name, values in inputs.items() if values}
        asked = node_class.lazy(**known, **dict.fromkeys(waiting))
        return [name for name in asked if name in waiting]

    def _call(self, node_id: str, inputs: _Inputs) -> Entry:
        node_class = self._work.class_of(node_id)
        context = self._context(node_id) if declares(node_class.function, "context") else None
        began = perf_counter()
        try:
            return call_node(node_class, inputs, context, self._interruption.check)
        finally:
            self._node_seconds[node_id] = self._node_seconds.get(node_id, 0) + perf_counter() - began

    def _context(self, node_id: str) -> NodeContext:
        work = self._work
        extras, wait = work.extras_of(node_id), self._interruption.wait
        return NodeContext(
            work.folders, work.prompt_id, node_id, work.prompt, extras, self._report, wait, work.circumstances
        )

    def _finish(self, node_id: str, entry: Entry) -> None:
        key = self._work.keys[node_id]
        if key is not None:
            self._cache.put(key, entry)
        self._executed.append(node_id)
        if entry.ui is not None:
            self._outputs[node_id] = entry.ui
            self._tell(NodeOutput(self._work.prompt_id, node_id, entry.ui))
        self._tell(NodeFinished(self._work.prompt_id, node_id))
        self._complete(node_id, entry)

    def _complete(self, node_id: str, entry: Entry) -> None:
        self._values.put(node_id, entry.outputs)
        self._values.release(node_id)
        self._schedule.complete(node_id)

    def _show_again(self, node_id: str, ui: JSONObject | None) -> None:
        if ui is not None:
            self._outputs[node_id] = ui
        self._tell(NodeOutput(self._work.prompt_id, node_id, ui, cached=True))
        self._tell(NodeFinished(self._work.prompt_id, node_id, cached=True))

    def _cached(self, node_id: str) -> Entry | None:
        key = self._work.keys[node_id]
        entry = self._cache.get(key) if key is not None else None
        if entry is None or key is None or files_exist(entry.ui, self._work.folders):
            return entry
        self._cache.discard(key)  # somebody deleted what it had saved: it has to run again
        return None

    def _report(self, event: NodeProgressed | NodeSaid) -> None:
        self._interruption.check()
        self._tell(event)

    def _failure(self, error: Exception, node: Node, inputs: _Inputs) -> RunFailed:
        return failure_of(
            error,
            prompt_id=self._work.prompt_id,
            node_id=node.id,
            class_type=node.class_type,
            executed=self._executed,
            inputs=inputs,
            known_nodes=tuple(self._work.graph.nodes),
        )


def is_lazy(node_class: NodeClass, name: str) -> bool:
    """Tell whether an input is only run for when the node asks for it."""
    spec = node_class.inputs.get(name)
    return node_class.lazy is not None and spec is not None and bool(spec.options.get("lazy"))
