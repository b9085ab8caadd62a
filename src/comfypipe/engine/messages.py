"""Events of the engine as the messages that ComfyUI sends about them: pure, event in, messages out."""

from dataclasses import dataclass, field
from typing import Any, Literal

from comfypipe._types import JSONObject
from comfypipe.engine import events
from comfypipe.engine.frames import image_type, preview_frame, text_frame

Audience = Literal["client", "client_or_all"]

_RunEvent = events.RunStarted | events.NodesCached | events.RunSucceeded | events.RunInterrupted | events.RunFailed


@dataclass(frozen=True, slots=True)
class Message:
    """
    One message.

    Attributes:
        audience: Whom ComfyUI sends it to: to the client that submitted the prompt, and where none is known to nobody
            (``client``) or to everybody (``client_or_all``).
        frame: What is sent in place of JSON text, where the message is a binary one.
        wanted_by: For previews, whom they are for: clients that take metadata with them (True), or the others (False).
    """

    type: str
    data: JSONObject
    audience: Audience = "client"
    frame: bytes | None = None
    wanted_by: bool | None = None


@dataclass(slots=True)
class MessageLog:
    """
    Translates the events of one prompt, and keeps those messages that its history entry repeats.

    Attributes:
        kept: ``[type, data]`` of the messages about the run as a whole, in order.
        executing: The node that runs; None between nodes.
    """

    prompt_id: str
    kept: list[list[Any]] = field(default_factory=list)
    executing: str | None = None
    _nodes: dict[str, JSONObject] = field(default_factory=dict)

    def translate(self, event: events.Event, *, watched: bool = True) -> list[Message]:
        """
        Return the messages about an event, in ComfyUI's order.

        Args:
            watched: Whether anybody will get them. ``progress_state`` names all nodes so far, so that all of them
                together grow with the square of the graph: for nobody they are not made.

        Source: transcripts of ComfyUI 0.3.64.
        """
        made = self._translate(event)
        return made if watched else [each for each in made if each.type != "progress_state"]

    def _translate(self, event: events.Event) -> list[Message]:
        match event:
            case events.NodeStarted():
                self.executing = event.node_id
                return [self._progress_state(event.node_id, 0.0, 1.0, "running"), self._executing(event.node_id)]
            case events.NodeProgressed():
                return self._progressed(event)
            case events.NodeSaid():
                said = {"node": event.node_id, "text": event.text}
                return [Message("progress_text", said, "client_or_all", text_frame(event.node_id, event.text))]
            case events.NodeOutput():
                return [self._executed(event)]
            case events.NodeFinished():
                return [self._finished(event)]
            case _:
                return [self._keep(event)]

    def _keep(self, event: _RunEvent) -> Message:
        kind, data = _about_run(event)
        data["timestamp"] = event.at_ms
        self.kept.append([kind, data])
        return Message(kind, data, "client_or_all" if kind == "execution_interrupted" else "client")

    def _progressed(self, event: events.NodeProgressed) -> list[Message]:
        state = self._progress_state(event.node_id, event.value, event.maximum, "running")
        data = {"value": event.value, "max": event.maximum, "prompt_id": self.prompt_id, "node": event.node_id}
        progress = Message("progress", data, "client_or_all")
        if event.preview is None:
            return [state, progress]
        about = self._about(event.node_id) | {"image_type": image_type(event.preview)}
        whole = preview_frame(event.preview, about)
        bare = preview_frame(event.preview)
        return [
            state,
            Message("preview", about, "client_or_all", whole, wanted_by=True),
            progress,
            Message("preview", {}, "client_or_all", bare, wanted_by=False),
        ]

    def _about(self, node_id: str) -> JSONObject:
        return {
            "node_id": node_id,
            "prompt_id": self.prompt_id,
            "display_node_id": node_id,
            "parent_node_id": None,
            "real_node_id": node_id,
        }

    def _executing(self, node_id: str) -> Message:
        return Message("executing", {"node": node_id, "display_node": node_id, "prompt_id": self.prompt_id})

    def _executed(self, event: events.NodeOutput) -> Message:
        data = {
            "node": event.node_id,
            "display_node": event.node_id,
            "output": event.ui,
            "prompt_id": self.prompt_id,
        }
        return Message("executed", data)

    def _finished(self, event: events.NodeFinished) -> Message:
        if event.cached:
            return self._progress_state(event.node_id, 1, 1, "finished")
        maximum = self._nodes[event.node_id]["max"]
        return self._progress_state(event.node_id, maximum, maximum, "finished")

    def _progress_state(self, node_id: str, value: float, maximum: float, state: str) -> Message:
        self._nodes[node_id] = {"value": value, "max": maximum, "state": state} | self._about(node_id)
        return Message("progress_state", {"prompt_id": self.prompt_id, "nodes": dict(self._nodes)}, "client_or_all")


def _about_run(event: _RunEvent) -> tuple[str, JSONObject]:
    match event:
        case events.RunStarted():
            return "execution_start", {"prompt_id": event.prompt_id}
        case events.NodesCached():
            return "execution_cached", {"nodes": list(event.node_ids), "prompt_id": event.prompt_id}
        case events.RunSucceeded():
            return "execution_success", {"prompt_id": event.prompt_id}
        case events.RunInterrupted():
            return "execution_interrupted", _stopped(event)
        case events.RunFailed():
            return "execution_error", _stopped(event) | {
                "exception_message": event.message,
                "exception_type": event.exception_type,
                "traceback": list(event.traceback),
                "current_inputs": event.current_inputs,
                "current_outputs": list(event.known_nodes),
            }


def _stopped(event: events.RunInterrupted | events.RunFailed) -> JSONObject:
    return {
        "prompt_id": event.prompt_id,
        "node_id": event.node_id,
        "node_type": event.class_type,
        "executed": list(event.executed),
    }
