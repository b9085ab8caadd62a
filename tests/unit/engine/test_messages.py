"""Events as ComfyUI's messages, compared with transcripts of a real server."""

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from comfypipe._types import JSON, JSONObject
from comfypipe.engine.events import Event, NodeProgressed
from comfypipe.engine.executor import Engine
from comfypipe.engine.messages import Message, MessageLog
from comfypipe.engine.registry import Folders, LiveContext, NodeClass, Registry, Result, optional, outputs, required

JPEG = b"\xff\xd8\xff\xe0 a picture"


def _sleep(image: JSON, steps: int, preview: bool, context: LiveContext, **_: JSON) -> tuple[JSON]:
    for step in range(1, steps + 1):
        context.progress(step, steps, JPEG if preview else None)
    return (image,)


def _fail(image: JSON, message: str) -> tuple[JSON]:
    raise ValueError(message)


def _made(class_type: str, *inputs: str, function: Callable[..., Any] | None = None, ui: JSON = None) -> NodeClass:
    """Stand in for a class: same name, same inputs, nothing inside."""
    is_output = ui is not None
    return NodeClass(
        class_type,
        function or ((lambda **_: Result(ui=ui or None)) if is_output else (lambda **_: ("value",))),
        {name: required("*") if name[0] != "?" else optional("*") for name in inputs},
        () if is_output else outputs("*"),
        output_node=is_output,
    )


STAND_INS = Registry(
    [
        _made("EmptyImage", "width", "height", "batch_size", "color"),
        _made("ImageScale", "image", "upscale_method", "width", "height", "crop"),
        _made("ImageInvert", "image"),
        _made("ImageBatch", "image1", "image2"),
        _made("StringConcatenate", "string_a", "string_b", "delimiter"),
        _made("ExpFail", "image", "message", function=_fail),
        _made("ExpSleep", "image", "seconds", "steps", "preview", function=_sleep),
        _made("SaveImage", "images", "filename_prefix", ui={"images": [{}]}),
        _made("PreviewImage", "images", ui={"images": [{}]}),
        _made("PreviewAny", "source", ui={"text": ["a-b"]}),
        _made("ExpNoop", "image", "text", ui={"text": ["hello"], "odd": [{}], "num": [1.5]}),
        _made("ExpNoUI", "image", "text", ui={}),
    ]
)


class Replay:
    """Runs the prompt of a transcript, with the output nodes in the order in which the real server had them."""

    def __init__(self, folder: Path, tmp_path: Path) -> None:
        self._folder = folder
        self._engine = Engine(Folders(tmp_path, tmp_path, tmp_path), STAND_INS)
        self.log = MessageLog("p")

    def recorded(self, name: str) -> tuple[JSONObject, list[JSONObject]]:
        """Return the request, and the messages about the run itself."""
        whole = json.loads((self._folder / f"{name}.json").read_text())
        about_run = [each["msg"] for each in whole["ws"] if "prompt_id" in each.get("msg", {}).get("data", {})]
        return whole, [each for each in about_run if each["data"].get("node", "") is not None]

    def recorded_with_frames(self, name: str) -> list[Any]:
        """Return the types of the messages about the run, and the binary ones as they were decoded."""
        whole, about_run = self.recorded(name)
        wanted = [
            each for each in whole["ws"] if each.get("msg") in about_run or (each.get("msg") or each).get("binary")
        ]
        return [each["msg"]["type"] if "type" in each.get("msg", {}) else each.get("msg", each) for each in wanted]

    def run(self, name: str, listener: Callable[[Event], None] | None = None) -> list[Message]:
        """Run the prompt; return the messages."""
        whole, _ = self.recorded(name)
        self.log = MessageLog("p")
        sent: list[Message] = []

        def listen(event: Event) -> None:
            sent.extend(self.log.translate(event))
            if listener is not None:
                listener(event)

        (entry,) = whole["history"]["body"].values()
        prepared = self._engine.prepare(whole["request"]["prompt"])
        prepared = replace(prepared, validation=structs.replace(prepared.validation, outputs=tuple(entry["prompt"][4])))
        self._engine.execute(prepared, prompt_id="p", listener=listen)
        return sent

    def interrupt_at(self, step: int) -> Callable[[Event], None]:
        """Return a listener that stops the run at a step."""

        def listen(event: Event) -> None:
            if isinstance(event, NodeProgressed) and event.value == step:
                self._engine.interrupt("p")

        return listen


@pytest.fixture
def replay(shared: Path, tmp_path: Path) -> Replay:
    """Return what replays the shared transcripts."""
    return Replay(shared / "protocols" / "recorded", tmp_path)


def same(kind: str, data: JSONObject) -> JSONObject:
    """Return a message without what differs from run to run: ids, times, file names, code positions."""
    plain = {key: value for key, value in data.items() if key not in ("prompt_id", "timestamp")}
    if kind == "progress_state":
        plain["nodes"] = {key: {**value, "prompt_id": "p"} for key, value in data["nodes"].items()}
    if kind == "executed" and data["output"] is not None:
        plain["output"] = sorted(data["output"])
    if kind == "execution_error":
        sets = {key: sorted(data[key]) for key in ("executed", "current_outputs", "current_inputs")}
        plain |= {"traceback": type(data["traceback"]).__name__, **sets}
    return {"type": kind, "data": plain, "keys": list(data)}


@pytest.mark.parametrize("name", ["run_success", "run_text_ui", "run_batch_preview", "run_error"])
def test_messages_are_those_of_a_real_server(replay: Replay, name: str) -> None:
    """Same prompt, same messages: types, order, keys and their order, progress of all nodes."""
    _, recorded = replay.recorded(name)
    sent = replay.run(name)
    assert [same(each["type"], each["data"]) for each in recorded] == [same(each.type, each.data) for each in sent]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("run_success", "run_cached_same"),
        ("run_success", "run_cached_prefix_changed"),
        ("run_text_ui", "run_text_ui_cached"),
    ],
)
def test_messages_of_a_cached_run(replay: Replay, first: str, second: str) -> None:
    """What a cache answers is told as a real server tells it."""
    replay.run(first)
    _, recorded = replay.recorded(second)
    sent = replay.run(second)
    assert [same(each["type"], each["data"]) for each in recorded] == [same(each.type, each.data) for each in sent]


def test_messages_of_an_interrupted_run(replay: Replay) -> None:
    """The run ends with the node that it was in."""
    _, recorded = replay.recorded("run_interrupted")
    sent = replay.run("run_interrupted", replay.interrupt_at(2))
    assert [same(each["type"], each["data"]) for each in recorded] == [same(each.type, each.data) for each in sent]


@pytest.mark.parametrize(
    ("name", "metadata"), [("run_progress_preview_meta", True), ("run_progress_preview_legacy", False)]
)
def test_previews(replay: Replay, name: str, metadata: bool) -> None:
    """Each kind of client gets its own frames, where a real server sends them."""
    theirs = replay.recorded_with_frames(name)
    ours = [
        message.type if message.frame is None else _decoded(message.frame)
        for message in replay.run(name)
        if message.wanted_by in (None, metadata)
    ]
    for frame in theirs:
        if isinstance(frame, dict):
            frame.pop("len")
            frame.pop("image_head" if metadata else "head")
            if metadata:
                frame["metadata"]["prompt_id"] = "p"
    assert theirs == ours


def test_text_frame(tmp_path: Path) -> None:
    """A line of text names its node."""

    def say(context: LiveContext) -> Result:
        context.say("8 ✕ 8")
        return Result(ui={})

    engine = Engine(Folders(tmp_path, tmp_path, tmp_path), Registry([NodeClass("Say", say, {}, (), output_node=True)]))
    log = MessageLog("p")
    frames: list[bytes | None] = []
    engine.run(
        {"7": {"class_type": "Say", "inputs": {}}},
        prompt_id="p",
        listener=lambda event: frames.extend(each.frame for each in log.translate(event) if each.frame),
    )
    assert [b"\x00\x00\x00\x03\x00\x00\x00\x017" + "8 ✕ 8".encode()] == frames


@pytest.mark.parametrize("name", ["run_success", "run_error"])
def test_history_keeps_the_messages_about_the_whole_run(replay: Replay, name: str) -> None:
    """Start, cached, end: in the history as on the socket."""
    whole, _ = replay.recorded(name)
    replay.run(name)
    (entry,) = whole["history"]["body"].values()
    kept = [same(kind, data) for kind, data in replay.log.kept]
    assert [same(kind, data) for kind, data in entry["status"]["messages"]] == kept


def test_progress_of_all_nodes_is_only_made_for_somebody(tmp_path: Path) -> None:
    """Where nobody listens, the messages that grow with the graph are left out; the others stay."""
    engine = Engine(Folders(tmp_path, tmp_path, tmp_path), STAND_INS)
    log = MessageLog("p")
    kinds: list[str] = []
    prompt = {"1": {"class_type": "PreviewAny", "inputs": {"source": "x"}}}
    engine.run(
        prompt,
        prompt_id="p",
        listener=lambda event: kinds.extend(each.type for each in log.translate(event, watched=False)),
    )
    assert ["execution_start", "execution_cached", "executing", "executed", "execution_success"] == kinds


def _decoded(frame: bytes) -> JSONObject:
    kind, number = struct.unpack(">II", frame[:8])
    if kind == 1:
        assert JPEG == frame[8:]
        return {"binary": True, "event_type": 1, "name": "PREVIEW_IMAGE", "image_type": number}
    assert JPEG == frame[8 + number :]
    metadata = json.loads(frame[8 : 8 + number])
    return {"binary": True, "event_type": kind, "name": "PREVIEW_IMAGE_WITH_METADATA", "metadata": metadata}
