"""What a server knows and does, apart from how it is talked to."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import count
from logging import getLogger
from uuid import uuid4

from comfypipe._types import JSON, JSONObject
from comfypipe.engine.events import Event, Listener
from comfypipe.engine.executor import Engine
from comfypipe.engine.messages import Message, MessageLog
from comfypipe.engine.outcome import Outcome
from comfypipe.engine.queue import PromptQueue, QueueItem, Worker
from comfypipe.engine.server.checks import Checks
from comfypipe.engine.server.history import History, broken_entry, history_entry
from comfypipe.engine.server.hub import Hub

_log = getLogger(__name__)

MAX_BODY_BYTES = 100 * 1024 * 1024
FEATURES: JSONObject = {"supports_preview_metadata": True, "max_upload_size": MAX_BODY_BYTES}


@dataclass(frozen=True, slots=True)
class Accepted:
    """A prompt that was queued; *node_errors* names outputs that were left out."""

    prompt_id: str
    number: float
    node_errors: JSONObject


@dataclass(frozen=True, slots=True)
class Refused:
    """A prompt in which nothing can run."""

    error: JSONObject
    node_errors: JSONObject


class ServerState:
    """
    A queue of prompts, the engine that runs them, the history of those that ended, and the clients that are told.

    Args:
        engine: Runs one prompt at a time.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.checks = Checks()
        self.queue = PromptQueue()
        self.history = History()
        self.hub = Hub()
        self._numbers = count()
        self._worker: Worker | None = None
        self._executing: tuple[str | None, MessageLog] | None = None

    def start(self) -> None:
        """Begin to run what is queued; call it in the event loop that serves the clients."""
        self.hub.start()
        self._worker = Worker(self.queue, self._perform)

    def close(self) -> None:
        """Stop what runs, and wait for that."""
        if self._worker is not None:
            self._worker.close()

    def next_number(self, body: JSONObject) -> float:
        """
        Return the place in the queue that a submission gets: its own ``number``, or one after (``front``: before) all.

        Raises:
            TypeError, ValueError: ``number`` is none.
        """
        drawn = next(self._numbers)
        number = float(body["number"]) if "number" in body else drawn
        return -number if body.get("front") else number

    def submit(self, body: JSONObject, number: float) -> Accepted | Refused:
        """
        Check a prompt and queue it, as far as it is valid.

        Args:
            body: Of ``POST /prompt``; holds ``prompt``.
            number: Its place in the queue.

        Raises:
            TypeError, ValueError: ``extra_data`` is no object.
        """
        prepared = self.engine.prepare(body["prompt"], _targets(body))
        validation = prepared.validation
        if validation.error is not None:
            return Refused(validation.error, validation.node_errors())
        item = QueueItem(number, str(body.get("prompt_id", uuid4())), prepared, _extra_data(body))
        self.queue.put(item)
        self.tell_status()
        return Accepted(item.prompt_id, number, validation.node_errors())

    def status(self) -> JSONObject:
        """Return how many prompts wait or run."""
        return {"exec_info": {"queue_remaining": len(self.queue)}}

    def tell_status(self) -> None:
        """Tell all clients how many prompts wait or run."""
        self.hub.publish("status", {"status": self.status()})

    def executing_for(self, client_id: str) -> str | None:
        """Return the node that runs for a client, if one does."""
        if self._executing is None or self._executing[0] != client_id:
            return None
        return self._executing[1].executing

    def remove_pending(self, prompt_ids: Iterable[str] | None = None) -> bool:
        """Take prompts that wait out of the queue, all or those named; tell whether there were any."""
        removed = self.queue.remove(prompt_ids)
        if removed or prompt_ids is None:
            self.tell_status()
        return bool(removed)

    def interrupt(self, prompt_id: str | None = None) -> bool:
        """Stop what runs, or only if it is *prompt_id*; tell whether something was stopped."""
        running = [each for each in self.queue.running() if prompt_id in (None, each.prompt_id)]
        for item in running:
            item.interruption.request()
        return bool(running)

    def _perform(self, item: QueueItem) -> None:
        self.tell_status()
        client_id = item.extra_data.get("client_id")
        log = MessageLog(item.prompt_id)
        self._executing = (client_id, log)
        try:
            outcome = self._execute(item, self._teller(log, client_id))
            self._remember(item, history_entry(item, outcome, log.kept))
        except Exception:  # noqa: BLE001  a node's output that cannot be told, or a fault of ours: the thread must live on
            _log.exception("prompt %s could not be run to its end", item.prompt_id)
            self.history.add(item.prompt_id, broken_entry(item, log.kept))
        finally:
            self._executing = None
            self.queue.finish(item)
            self.tell_status()
            if client_id is not None:
                self.hub.publish("executing", {"node": None, "prompt_id": item.prompt_id}, client_id)

    def _execute(self, item: QueueItem, tell: Listener) -> Outcome:
        return self.engine.execute(
            item.prepared,
            prompt_id=item.prompt_id,
            extra_pnginfo=item.extra_data.get("extra_pnginfo") or {},
            listener=tell,
            interruption=item.interruption,
        )

    def _remember(self, item: QueueItem, entry: JSONObject) -> None:
        self.history.add(item.prompt_id, entry)

    def _teller(self, log: MessageLog, client_id: str | None) -> Listener:
        def tell(event: Event) -> None:
            for message in log.translate(event, watched=self.hub.listens(client_id)):
                self._send(message, client_id)

        return tell

    def _send(self, message: Message, client_id: str | None) -> None:
        if client_id is None and message.audience == "client":
            return
        if message.frame is not None:
            self.hub.publish_frame(message.frame, client_id, message.wanted_by)
        else:
            self.hub.publish(message.type, message.data, client_id)


def _targets(body: JSONObject) -> Collection[str] | None:
    targets: Collection[str] | None = body.get("partial_execution_targets")
    return targets


def _extra_data(body: JSONObject) -> JSONObject:
    extra_data: JSON = body.get("extra_data", {})
    if not isinstance(extra_data, dict):
        raise TypeError("extra_data is not an object")
    return {**extra_data, "client_id": body["client_id"]} if "client_id" in body else extra_data
