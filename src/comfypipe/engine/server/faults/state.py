"""A server's state, with faults of submission, execution and memory."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import Event
from uuid import UUID

from comfypipe._types import JSONObject
from comfypipe.engine.events import Listener
from comfypipe.engine.executor import Engine
from comfypipe.engine.messages import Message
from comfypipe.engine.outcome import Outcome
from comfypipe.engine.queue import QueueItem
from comfypipe.engine.server.encoding import encode
from comfypipe.engine.server.faults.connections import Links
from comfypipe.engine.server.faults.disguise import Disguise
from comfypipe.engine.server.faults.executions import Execution
from comfypipe.engine.server.faults.faults import Faults
from comfypipe.engine.server.faults.models import ModelMemory
from comfypipe.engine.server.faults.run import FaultyRun
from comfypipe.engine.server.hub import Hub
from comfypipe.engine.server.state import Accepted, Refused, ServerState
from comfypipe.prompt.graph import PromptGraph


class FaultyState(ServerState):
    """
    One life of a server, from its start to its restart.

    Args:
        restart: Ends this life and begins another. Called in the event loop, with how long nobody is to answer (ms).
    """

    def __init__(self, engine: Engine, faults: Faults, links: Links, restart: Callable[[int], None]) -> None:
        super().__init__(engine)
        self.faults = faults
        self.models = ModelMemory()
        self.disguise = Disguise()
        self.gone: dict[str, Mapping[str, JSONObject]] = {}
        self._links = links
        self._restart = restart
        self._over = Event()
        self._run: FaultyRun | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to run what is queued; call it in the event loop that serves the clients."""
        self._loop = asyncio.get_running_loop()
        super().start()

    def submit(self, body: JSONObject, number: float) -> Accepted | Refused:
        """Check a prompt and queue it, as the faults of submission will have it."""
        text = encode(body.get("prompt")).decode()
        refused = self._refuse(body, text)
        if refused is not None:
            return refused
        dropped = None
        if self.faults.take("dropped-output", text=text) is not None:
            body, dropped = self._without_last_output(body)
        accepted = super().submit(body, number)
        if isinstance(accepted, Accepted):
            if self.faults.take("duplicated-id", text=text) is not None:
                super().submit({**body, "prompt_id": accepted.prompt_id}, number)
            if dropped is not None:
                return replace(accepted, node_errors={**accepted.node_errors, **dropped})
        return accepted

    def close(self) -> None:
        """Stop what runs, and wait for that."""
        self._over.set()
        super().close()

    def forget(self) -> None:
        """End this life at once: nobody hears of it any more."""
        self.hub = Hub()
        self.queue.close()
        for item in self.queue.running():
            item.interruption.request()
        self._over.set()

    def restart(self) -> None:
        """Restart the server from within a run."""
        settings = self._run.restart if self._run is not None else None
        down_ms = int(settings["down_ms"]) if settings is not None else 0
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._restart, down_ms)
            self._over.wait()

    def break_sockets(self, client_id: str | None) -> None:
        """Break off the client's sockets."""
        self._links.break_off(client_id)

    def send_to(self, client_id: str | None, message: Message) -> None:
        """Send a message about a run."""
        self._send(message, client_id)

    def _execute(self, item: QueueItem, tell: Listener) -> Outcome:
        self._run = run = FaultyRun(item, tell, self, self.faults)
        if run.restarts_when("queued"):
            self.restart()
        elif run.take("zombie") is not None:
            self._over.wait()
        if self._over.is_set():
            item.interruption.request()
            return run.execute()
        execution = self.faults.executions.begin(item.prompt_id, item.prepared.document)
        return self._ended(execution, run.execute())

    def _ended(self, execution: Execution, outcome: Outcome) -> Outcome:
        if execution.status == "running":
            kind = type(outcome.end).__name__
            names = {"RunSucceeded": "success", "RunInterrupted": "interrupted"}
            execution.status = names.get(kind, "error")
        return outcome

    def _remember(self, item: QueueItem, entry: JSONObject) -> None:
        run = self._run
        if run is None:
            super()._remember(item, entry)
            return
        if run.late_history is not None:
            self._over.wait(int(run.late_history["ms"]) / 1000)
        if run.lies:
            entry["status"] |= {"status_str": "success", "completed": True}
        if run.expanded:
            entry = _expanded(entry)
        if _nameless_and_cached(item, entry) and run.take("no-cached-outputs") is not None:
            entry = {**entry, "outputs": {}, "meta": {}}
        super()._remember(item, entry)
        if run.restarts_when("ended"):
            self.restart()

    def _send(self, message: Message, client_id: str | None) -> None:
        if self._run is not None and self._run.expanded and isinstance(message.data.get("display_node"), str):
            message = replace(message, data={**message.data, "node": _inner(message.data["node"])})
        super()._send(message, client_id)

    def _refuse(self, body: JSONObject, text: str) -> Refused | None:
        strict = self.faults.take("strict-ids", text=text)
        if strict is not None and "prompt_id" in body and not _is_canonical(body["prompt_id"]):
            message = "prompt_id must be a canonical lowercase UUID"
            return Refused(_error("invalid_prompt_id", message, str(body["prompt_id"])), {})
        deep = self.faults.settings("recursion-limit")
        if deep is not None and (node_id := _too_deep(body.get("prompt"), int(deep["nodes"]))) is not None:
            self.faults.take("recursion-limit", text=text)
            return _recursion_error(node_id, body["prompt"][node_id]["class_type"])
        return None

    def _without_last_output(self, body: JSONObject) -> tuple[JSONObject, JSONObject]:
        prepared = self.engine.prepare(body["prompt"], body.get("partial_execution_targets"))
        outputs = prepared.validation.outputs
        if not outputs:
            return body, {}
        dropped = outputs[-1]
        node = prepared.graph.nodes[dropped]
        error = _error("custom_validation_failed", "Custom validation failed for node", f"{node.class_type} - dropped")
        entry = {"errors": [error], "dependent_outputs": [dropped], "class_type": node.class_type}
        kept = {**body, "partial_execution_targets": list(outputs[:-1])} if len(outputs) > 1 else body
        return kept, {dropped: entry}


def _is_canonical(prompt_id: object) -> bool:
    try:
        return isinstance(prompt_id, str) and prompt_id == str(UUID(prompt_id))
    except ValueError:
        return False


def _error(kind: str, message: str, details: str) -> JSONObject:
    return {"type": kind, "message": message, "details": details, "extra_info": {}}


def _too_deep(prompt: object, limit: int) -> str | None:
    """Return a node at the end of a chain that is longer than *limit*."""
    graph = PromptGraph.parse(prompt)
    depth: dict[str, int] = {}
    for node_id in graph.order():
        before = (depth[link.node_id] for _, link in graph.nodes[node_id].links() if link.node_id in depth)
        depth[node_id] = 1 + max(before, default=0)
    return next((node_id for node_id, length in depth.items() if length > limit), None)


def _recursion_error(node_id: str, class_type: str) -> Refused:
    info = {"exception_message": "maximum recursion depth exceeded", "exception_type": "RecursionError"}
    error = _error("exception_during_inner_validation", "Exception when validating inner node", str(info))
    entry = {
        "errors": [{**error, "extra_info": info}],
        "dependent_outputs": [],
        "class_type": class_type,
    }
    return Refused(_error("prompt_outputs_failed_validation", "Prompt outputs failed validation", ""), {node_id: entry})


def _nameless_and_cached(item: QueueItem, entry: JSONObject) -> bool:
    messages = dict(entry["status"]["messages"])
    cached = messages.get("execution_cached", {}).get("nodes", ())
    return "client_id" not in item.extra_data and set(item.prepared.validation.outputs) <= set(cached)


def _inner(node_id: str) -> str:
    return f"{node_id}.0.0.1"


def _expanded(entry: JSONObject) -> JSONObject:
    meta = {
        _inner(node_id): {**about, "node_id": _inner(node_id), "parent_node": node_id, "real_node_id": _inner(node_id)}
        for node_id, about in entry["meta"].items()
    }
    return {**entry, "outputs": {_inner(node_id): ui for node_id, ui in entry["outputs"].items()}, "meta": meta}
