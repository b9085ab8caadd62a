"""
A backend whose server is a folder: what is submitted lies there as files, and survives the client.

It understands a handful of node classes, runs each prompt once when it is told to (at once, unless held back), writes
real files, and keeps a log of what it ran, so that tests can count.
"""

import asyncio
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from comfypipe._types import JSONObject
from comfypipe.backends.base import NodeProgress, OnProgress, OutputFile, RunHandle, RunResult, RunStatus, Submission
from comfypipe.errors import OutOfMemory, RunCancelled, RunError, RunFailed, ServerStateLost
from comfypipe.prompt.object_info import ObjectInfo

PNG = b"\x89PNG\r\n\x1a\n"
POLL_S = 0.005

Hook = Callable[[str, str], None]
"""Called as ``hook(point, prompt_id)``; what it raises is what the call raises."""


def no_hook(_point: str, _prompt_id: str) -> None:
    """Do nothing."""


@dataclass
class FolderBackend:
    """
    The client's side.

    Attributes:
        hold: Prompts stay queued until `serve` is called, or a process that serves the folder comes to them.
        knows: The accelerators that it has, and says which of them a prompt was given; empty for one that says nothing.
        hook: Is called before and after what the backend does: the place for faults.
    """

    folder: Path
    simulated: bool = False
    takes_urls: bool = False
    hold: bool = False
    knows: tuple[str, ...] = ()
    hook: Hook = no_hook
    url: str = "folder:"
    nodes: Mapping[str, Any] | None = None
    submissions: list[Submission] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    closed: bool = False

    async def object_info(self, *, fresh: bool = False) -> ObjectInfo | None:
        """Return what it was told that it can run."""
        return ObjectInfo(dict(self.nodes)) if self.nodes is not None else None

    async def submit(self, submission: Submission) -> RunHandle:
        """Write the prompt into the folder, and run it unless it is to be held back."""
        self.hook("before submit", submission.prompt_id)
        self.submissions.append(submission)
        files = {file.name: file.path.read_bytes().hex() if file.path else None for file in submission.files}
        used = next((each for each in submission.accelerator if each in self.knows), None)
        accelerators = list(submission.accelerator) if used is None else [used]
        request = {"prompt": submission.prompt, "files": files, "accelerator": accelerators}
        place = self.folder / "prompts" / f"{submission.prompt_id}.json"
        write(place, json.dumps(request).encode())
        self.hook("amid submit", submission.prompt_id)
        if not self.hold:
            serve(self.folder)
        self.hook("after submit", submission.prompt_id)
        return RunHandle(submission.prompt_id, "folder-1", submission.prompt_id[:8], used)

    async def find(self, prompt_id: str, server: str | None = None) -> RunHandle | None:
        """Return the handle of what lies in the folder."""
        self.hook("find", prompt_id)
        known = (self.folder / "prompts" / f"{prompt_id}.json").exists()
        return RunHandle(prompt_id, server="folder-1", remote_id=prompt_id[:8]) if known else None

    async def wait(self, handle: RunHandle, on_progress: OnProgress | None = None) -> RunResult:
        """Look for the result until it is there."""
        self.hook("before wait", handle.prompt_id)
        if on_progress:
            on_progress(NodeProgress(handle.prompt_id, "started"))
        while not (result := self.folder / "results" / f"{handle.prompt_id}.json").exists():
            if not (self.folder / "prompts" / f"{handle.prompt_id}.json").exists():
                raise ServerStateLost("the folder was emptied")
            await asyncio.sleep(POLL_S)
        self.hook("after wait", handle.prompt_id)
        return _result(json.loads(result.read_bytes()), simulated=self.simulated)

    async def fetch(self, output: OutputFile, destination: Path) -> None:
        """Copy the file."""
        self.hook("fetch", output.subfolder.split("/")[1])
        shutil.copyfile(self.folder / output.kind / output.subfolder / output.filename, destination)

    async def cancel(self, handle: RunHandle) -> None:
        """Take the prompt back, if it has not run."""
        self.hook("cancel", handle.prompt_id)
        self.cancelled.append(handle.prompt_id)
        if not (self.folder / "results" / f"{handle.prompt_id}.json").exists():
            _end(self.folder, handle.prompt_id, {"status": "cancelled"})

    async def close(self) -> None:
        """Note that it was closed."""
        self.closed = True

    @property
    def executions(self) -> list[str]:
        """The prompts that were run, in order; one that ran twice is there twice."""
        return executions(self.folder)


def executions(folder: Path) -> list[str]:
    """Return the ids of the prompts that were run in *folder*, in order."""
    log = folder / "executions.log"
    return log.read_text().split() if log.exists() else []


def serve(folder: Path) -> None:
    """Run every prompt of the folder that has no result, oldest first; one process at a time does."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "serving.lock"):
        prompts = sorted((folder / "prompts").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        for path in prompts:
            if not (folder / "results" / path.name).exists():
                with (folder / "executions.log").open("a") as log:
                    log.write(path.stem + "\n")
                _end(folder, path.stem, _run(folder, path.stem, json.loads(path.read_bytes())))


def write(path: Path, content: bytes) -> None:
    """Write a file so that another process sees it whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(path)


def _end(folder: Path, prompt_id: str, result: JSONObject) -> None:
    write(folder / "results" / f"{prompt_id}.json", json.dumps(result).encode())


def _run(folder: Path, prompt_id: str, request: JSONObject) -> JSONObject:
    files: list[JSONObject] = []
    values: dict[str, JSONObject] = {}
    for node_id, node in request["prompt"].items():
        kind, inputs = node["class_type"], node["inputs"]
        if kind == "Fail":
            return {"status": "failed", "error": "ValueError", "node": node_id}
        if kind == "NeedsMemory" and request["accelerator"][:1] != [inputs["accelerator"]]:
            return {"status": "failed", "error": "torch.OutOfMemoryError", "node": node_id}
        if kind in ("SaveImage", "PreviewImage"):
            files += _save(folder, node_id, node, request)
        if kind == "ShowText":
            values[node_id] = {"text": inputs["text"] if isinstance(inputs["text"], list) else [inputs["text"]]}
    return {"status": "completed", "files": files, "values": values}


def _save(folder: Path, node_id: str, node: JSONObject, request: JSONObject) -> list[JSONObject]:
    """Write what a node saves: a PNG by its first bytes, whose others say what went into it."""
    kind = "output" if node["class_type"] == "SaveImage" else "temp"
    subfolder, _, prefix = node["inputs"].get("filename_prefix", "comfypipe/preview").rpartition("/")
    made = []
    for number in range(1, node["inputs"].get("count", 1) + 1):
        name = f"{prefix}_{number:05}_.png"
        about = json.dumps([node["inputs"].get("subject"), request["files"], number])
        content = PNG + hashlib.sha256(about.encode()).hexdigest().encode() + about.encode()
        write(folder / kind / subfolder / name, content)
        made.append({"node_id": node_id, "filename": name, "subfolder": subfolder, "kind": kind})
    return made


def _result(result: JSONObject, *, simulated: bool) -> RunResult:
    if result["status"] == "cancelled":
        return RunResult(RunStatus.CANCELLED, error=RunCancelled("was cancelled"))
    if result["status"] == "failed":
        return RunResult(RunStatus.FAILED, error=_error(result))
    files = tuple(OutputFile(key="images", **each) for each in result["files"])
    return RunResult(RunStatus.COMPLETED, files, result["values"], simulated=simulated, execution_s=0.25)


def _error(result: JSONObject) -> RunError:
    kind = OutOfMemory if "OutOfMemory" in result["error"] else RunFailed
    return kind("a node failed", node_id=result["node"], class_type="Fail", exception_type=result["error"])


class Fault:
    """A hook that raises an error at a point, the first *times* times, and notes what points were passed."""

    def __init__(self, point: str, error: BaseException, times: int = 1) -> None:
        self.point, self.error, self.times = point, error, times
        self.passed: list[str] = []

    def __call__(self, point: str, _prompt_id: str) -> None:
        """Pass a point."""
        self.passed.append(point)
        if point == self.point and self.times > 0:
            self.times -= 1
            raise self.error
