"""One prompt's way through the engine, with the faults that strike it."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from comfypipe._types import JSONObject
from comfypipe.engine import events
from comfypipe.engine.executor import Engine, Prepared
from comfypipe.engine.files import file_path, shown_files
from comfypipe.engine.interruption import Interrupted
from comfypipe.engine.messages import Message
from comfypipe.engine.outcome import Outcome
from comfypipe.engine.queue import QueueItem
from comfypipe.engine.server.encoding import encode
from comfypipe.engine.server.faults.disguise import Disguise
from comfypipe.engine.server.faults.executions import prompt_digest
from comfypipe.engine.server.faults.faults import Faults, Settings
from comfypipe.engine.server.faults.models import ModelMemory, models_of

_FAILURES = {
    "out-of-memory": (
        "torch.OutOfMemoryError",
        "Allocation on device 0 would exceed allowed memory. (out of memory)\nThis error means you ran out of it.\n",
    ),
    "cuda-error": ("RuntimeError", "CUDA error: an illegal memory access was encountered\n"),
    "lying-status": ("graph.DependencyCycleError", "Dependency cycle detected"),
}
"""By fault, the type and message of the exception that ends a run."""


class Stage(Protocol):
    """What a run with faults asks of its server."""

    engine: Engine
    models: ModelMemory
    disguise: Disguise
    gone: dict[str, Mapping[str, JSONObject]]

    def restart(self) -> None:
        """Forget everything; returns when it is done."""

    def break_sockets(self, client_id: str | None) -> None:
        """Break off the client's sockets."""

    def send_to(self, client_id: str | None, message: Message) -> None:
        """Send a message about a run."""


class Struck(Exception):
    """The run ends here."""

    def __init__(self, end: events.RunFailed) -> None:
        super().__init__(end.message)
        self.end = end


class FaultyRun:
    """
    Executes one prompt; the faults of runs that are due were decided when it was made.

    Args:
        tell: Told what happens.

    Attributes:
        lies: The history is to call it a success.
    """

    def __init__(self, item: QueueItem, tell: events.Listener, stage: Stage, faults: Faults) -> None:
        self._item = item
        self._stage = stage
        self._tell = tell
        self._faults = faults
        self._executed: list[str] = []
        self._shown: dict[str, JSONObject] = {}
        self._begun = False
        document = item.prepared.document
        self._text = encode(document).decode()
        self._classes = {node.class_type for node in item.prepared.graph.nodes.values()}
        self._digest = prompt_digest(document)
        self._failures = {name: found for name in _FAILURES if (found := self.take(name)) is not None}
        self._blocked = self.take("blocked") is not None
        self._closed_socket = self.take("closed-socket") is not None
        self._file_gone = self.take("file-gone") is not None
        self.hostile = self.take("hostile-names")
        self.restart = self.take("restart")
        self.late_history = self.take("late-history")
        self.expanded = self.take("expanded-nodes") is not None
        self.lies = "lying-status" in self._failures

    def take(self, name: str) -> Settings | None:
        """Count an occasion for a fault; return its settings when it is to be played."""
        return self._faults.take(name, text=self._text, classes=self._classes)

    def execute(self) -> Outcome:
        """Run the prompt to its end, however that comes."""
        gone = self._stage.gone.get(self._digest)
        if gone is not None:
            return self._repeat(gone)
        try:
            outcome = self._stage.engine.execute(
                self._prepared(),
                prompt_id=self._item.prompt_id,
                extra_pnginfo=self._item.extra_data.get("extra_pnginfo") or {},
                listener=self._listen,
                interruption=self._item.interruption,
            )
        except Struck as struck:
            self._tell(struck.end)
            return Outcome(self._item.prompt_id, struck.end, self._shown, (), {}, 0.0)
        return replace(outcome, outputs=dict(self._shown))

    def restarts_when(self, at: str) -> bool:
        """Tell whether the server restarts at this point of the run."""
        return self.restart is not None and self.restart["at"] == at

    def _prepared(self) -> Prepared:
        prepared = self._item.prepared
        if not self._blocked:
            return prepared
        return self._stage.engine.prepare(prepared.document, prepared.validation.outputs[:-1])

    def _listen(self, event: events.Event) -> None:
        match event:
            case events.NodeStarted():
                self._tell(event)
                self._node_started(event)
            case events.NodeOutput(ui=ui) if ui is not None:
                self._show(replace(event, ui=self._disguised(ui)))
            case events.NodeFinished():
                self._executed += [] if event.cached else [event.node_id]
                self._tell(event)
            case events.NodesCached():
                self._tell(event)
                self._linger()
            case events.RunSucceeded():
                self._succeed(event)
            case _:
                self._tell(event)

    def _node_started(self, event: events.NodeStarted) -> None:
        if not self._begun:
            self._begun = True
            if self._closed_socket:
                self._stage.break_sockets(self._item.extra_data.get("client_id"))
            if self.restarts_when("running"):
                self._stage.restart()
        for name, settings in self._failures.items():
            if settings.get("node", "") in ("", event.class_type):
                raise Struck(self._failure(event, *_FAILURES[name]))

    def _failure(self, event: events.NodeStarted, exception_type: str, message: str) -> events.RunFailed:
        return events.RunFailed(
            prompt_id=event.prompt_id,
            node_id=event.node_id,
            class_type=event.class_type,
            executed=tuple(self._executed),
            message=message,
            exception_type=exception_type,
            traceback=(),
            current_inputs={},
            known_nodes=tuple(self._item.prepared.graph.nodes),
        )

    def _show(self, event: events.NodeOutput) -> None:
        if event.ui is not None:
            self._shown[event.node_id] = event.ui
        self._tell(event)

    def _disguised(self, ui: JSONObject) -> JSONObject:
        return ui if self.hostile is None else self._stage.disguise.apply(ui, str(self.hostile["name"]))

    def _linger(self) -> None:
        slow = self.take("slow-runs")
        wait_ms = 0 if slow is None else int(slow["ms"])
        loading = self.take("slow-models")
        if loading is not None:
            for model in self._stage.models.load(models_of(self._item.prepared.document), int(loading["slots"])):
                self._faults.executions.loaded(model)
                wait_ms += int(loading["ms"])
        with suppress(Interrupted):  # the engine will find out itself, at the next node
            self._item.interruption.wait(wait_ms / 1000)

    def _succeed(self, event: events.RunSucceeded) -> None:
        if self._blocked:
            self._tell_blocked()
        if self._file_gone:
            self._delete_files()
        self._tell(event)

    def _tell_blocked(self) -> None:
        # A message and nothing else: the history of a real server does not have it.
        node_id = self._item.prepared.validation.outputs[-1]
        data = {
            "prompt_id": self._item.prompt_id,
            "node_id": node_id,
            "node_type": self._item.prepared.graph.nodes[node_id].class_type,
            "executed": list(self._executed),
            "exception_message": "Execution Blocked: Blocked Execution",
            "exception_type": "ExecutionBlocked",
            "traceback": [],
            "current_inputs": [],
            "current_outputs": [],
            "timestamp": events.now_ms(),
        }
        self._stage.send_to(self._item.extra_data.get("client_id"), Message("execution_error", data))

    def _delete_files(self) -> None:
        for ui in self._shown.values():
            for _, entry in shown_files(ui):
                place = (entry["filename"], entry.get("subfolder", ""), entry.get("type", "output"))
                file_path(*place, self._stage.engine.folders).unlink(missing_ok=True)
        self._stage.gone[self._digest] = dict(self._shown)

    def _repeat(self, outputs: Mapping[str, JSONObject]) -> Outcome:
        prompt_id, nodes = self._item.prompt_id, tuple(self._item.prepared.graph.nodes)
        end = events.RunSucceeded(prompt_id)
        for event in (events.RunStarted(prompt_id), events.NodesCached(prompt_id, nodes), *_again(prompt_id, outputs)):
            self._tell(event)
        self._tell(end)
        return Outcome(prompt_id, end, outputs, nodes, {}, 0.0)


def _again(prompt_id: str, outputs: Mapping[str, JSONObject]) -> Iterator[events.Event]:
    for node_id, ui in outputs.items():
        yield events.NodeOutput(prompt_id, node_id, ui, cached=True)
        yield events.NodeFinished(prompt_id, node_id, cached=True)
