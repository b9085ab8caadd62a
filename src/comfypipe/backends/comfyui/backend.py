"""One ComfyUI server: prompts are queued there, watched, and their files fetched."""

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from comfypipe.backends.base import (
    InputFile,
    OnProgress,
    OutputFile,
    RunHandle,
    RunResult,
    RunStatus,
    Submission,
)
from comfypipe.backends.comfyui.socket import Socket
from comfypipe.backends.comfyui.watch import Timing, Watcher
from comfypipe.backends.comfyui.wire import (
    Accepted,
    Queue,
    parse_accepted,
    parse_history,
    parse_queue,
    refusal,
    submission_body,
)
from comfypipe.backends.http import HttpServer
from comfypipe.errors import (
    BackendError,
    BackendRejected,
    BackendUnavailable,
    ProtocolMismatch,
    RunCancelled,
    ServerStateLost,
    SubmissionUnknown,
    UsageError,
)
from comfypipe.project import ProjectLayout
from comfypipe.prompt.object_info import ObjectInfo


class ComfyUIBackend:
    """
    Runs prompts on a ComfyUI server.

    The socket brings progress and tells at once that a run has ended; what is true is asked for: the queue every
    second, and the history when a prompt has left it.

    Args:
        url: ``http(s)://[user:password@]host:port``.
        headers: Sent with every request, such as a token for a proxy in front of it.
        timing: How long to wait for what.
        transport: Takes the place of the network for HTTP requests, for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timing: Timing | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url, credentials = _split_credentials(url)
        self._timing = timing or Timing()
        self._http = HttpServer(self._url, auth=credentials, headers=headers, transport=transport)
        self._watcher = Watcher(self._queue, self._timing)
        self._socket = Socket(self._url, self._watcher.receive, headers=headers)
        self._uploaded: set[str] = set()
        self._has_jobs: bool | None = None
        self._cancelled: set[str] = set()

    @property
    def url(self) -> str:
        """Its address, without credentials."""
        return self._url

    @property
    def simulated(self) -> bool:
        """What a server gives is real."""
        return False

    @property
    def takes_urls(self) -> bool:
        """A server fetches nothing: files are uploaded."""
        return False

    async def close(self) -> None:
        """Close the connections; runs on the server go on."""
        await self._watcher.close()
        await self._socket.close()
        await self._http.close()

    async def object_info(self, *, fresh: bool = False) -> ObjectInfo | None:
        """Return what the server can run."""
        del fresh  # it always is
        reply = await self._http.request("GET", "/object_info")
        if reply.status != httpx.codes.OK or not isinstance(reply.body, dict):
            raise ProtocolMismatch(f"{self._url} has no /object_info", hint="is it a ComfyUI server?")
        return ObjectInfo(reply.body)

    # Submitting

    async def submit(self, submission: Submission) -> RunHandle:
        """
        Upload the files and queue the prompt, once.

        Raises:
            PromptInvalid: The server refuses it, or some of its outputs.
            SubmissionUnknown: The reply was lost.
        """
        for file in submission.files:
            await self._upload(file)
        await self._socket.open()
        self._watcher.expect(submission.prompt_id)
        try:
            accepted = await self._post(submission)
        except BaseException:
            self._watcher.forget(submission.prompt_id)
            raise
        handle = RunHandle(submission.prompt_id, remote_id=accepted.prompt_id)
        if accepted.refused:
            await self.cancel(handle)
            raise refusal(200, {"error": _PARTLY_REFUSED, "node_errors": accepted.refused})
        self._watcher.queued(submission.prompt_id)
        return handle

    async def _post(self, submission: Submission) -> Accepted:
        # In ASCII: a prompt may hold lone surrogates, which UTF-8 cannot.
        body = json.dumps(submission_body(submission, self._socket.client_id)).encode("ascii")
        try:
            reply = await self._http.request("POST", "/prompt", content=body, headers=_JSON)
        except BackendUnavailable as error:
            if isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout):
                raise  # nothing was sent
            raise SubmissionUnknown(
                f"the reply to POST /prompt was lost: {error.message}", hint="it may run all the same; it is looked for"
            ) from error
        if reply.status != httpx.codes.OK:
            raise refusal(reply.status, reply.body)
        return parse_accepted(reply.body)

    async def _upload(self, file: InputFile) -> None:
        place = PurePosixPath(file.name)
        if place.parts[0] != "input" or ".." in place.parts:
            raise BackendRejected(
                f"{file.name} cannot be put onto {self._url}: only files below input/ can be uploaded",
                hint="put it there by hand, or take it out of the manifest's files",
            )
        key = f"{file.name}:{file.sha256}"
        if key in self._uploaded and file.sha256 is not None:
            return
        if file.path is None:
            raise BackendRejected(f"{file.name} was not fetched yet: only its URL is known")
        subfolder = PurePosixPath(*place.parts[1:-1]).as_posix() if len(place.parts) > 2 else ""
        content = await asyncio.to_thread(file.path.read_bytes)
        reply = await self._http.request(
            "POST",
            "/upload/image",
            files={"image": (place.name, content)},
            data={"subfolder": subfolder, "type": "input", "overwrite": "false"},
        )
        self._check_upload(file, place, subfolder, reply.status, reply.body)
        self._uploaded.add(key)

    def _check_upload(self, file: InputFile, place: PurePosixPath, subfolder: str, status: int, body: Any) -> None:
        if status != httpx.codes.OK or not isinstance(body, dict):
            raise BackendRejected(f"{self._url} answers HTTP {status} to the upload of {file.name}")
        if (body.get("name"), body.get("subfolder", "")) != (place.name, subfolder):
            raise BackendRejected(
                f"{self._url} has another file as {file.name} already",
                hint="the server's own file is left alone: give ours another name in the manifest's files",
            )

    # Watching

    async def find(self, prompt_id: str, server: str | None = None) -> RunHandle | None:
        """Return the handle of a prompt that the server has: queue first, then history, so that none slips through."""
        del server  # there is one
        if prompt_id in await self._queue() or await self._history(prompt_id) is not None:
            return RunHandle(prompt_id, remote_id=prompt_id)
        return None

    async def wait(self, handle: RunHandle, on_progress: OnProgress | None = None) -> RunResult:
        """
        Return when the run has ended.

        Raises:
            ServerStateLost: It stands neither in the queue nor in the history.
            BackendUnavailable: The server cannot be asked any more, or executes nothing.
        """
        prompt_id = handle.remote_id or handle.prompt_id
        await self._socket.open(patience_s=0)
        with self._watcher.watching(prompt_id, on_progress) as watch:
            if watch.submitted:
                await watch.woken()
            while True:
                if (result := await self._history(prompt_id)) is not None:
                    return result
                if watch.is_absent(self._timing.absent_s):
                    return self._lost(prompt_id)
                await watch.woken()

    def _lost(self, prompt_id: str) -> RunResult:
        if prompt_id in self._cancelled:  # a pending prompt that is deleted leaves nothing behind
            return RunResult(RunStatus.CANCELLED, error=RunCancelled("the run was cancelled before it started"))
        raise ServerStateLost(
            f"{self._url} does not know the run {prompt_id} any more", hint="it was restarted, or its history cleared"
        )

    async def fetch(self, output: OutputFile, destination: Path) -> None:
        """
        Write a file of a run to *destination*: whole, or not at all.

        Raises:
            BackendRejected: The server does not have it any more.
        """
        where = {"filename": output.filename, "subfolder": output.subfolder, "type": output.kind}
        if not await self._http.download("/view", where, destination):
            raise BackendRejected(
                f"{self._url} does not have {output.filename} any more",
                hint="it answered from its cache, or the file was deleted: run it with --no-cache",
            )

    async def cancel(self, handle: RunHandle) -> None:
        """
        Return when the run is neither queued nor running.

        An interruption straight after the submission can be lost, so this deletes, interrupts and looks again.

        Raises:
            BackendError: It runs on: a node that cannot be interrupted.
        """
        prompt_id = handle.remote_id or handle.prompt_id
        deadline = time.monotonic() + self._timing.cancel_s
        delay_s = 0.02
        while prompt_id in (queue := await self._queue()):
            self._cancelled.add(prompt_id)
            await self._http.request("POST", "/queue", json={"delete": [prompt_id]})
            if prompt_id in queue.running:  # without the id, an old server would interrupt whatever runs
                await self._http.request("POST", "/interrupt", json={"prompt_id": prompt_id})
            if time.monotonic() > deadline:
                raise BackendError(
                    f"the run {prompt_id} does not stop on {self._url}", hint="its node cannot be interrupted"
                )
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, 1.0)
        self._watcher.wake(prompt_id)

    async def _queue(self) -> Queue:
        return parse_queue((await self._http.request("GET", "/queue")).body)

    async def _history(self, prompt_id: str) -> RunResult | None:
        return parse_history((await self._http.request("GET", f"/history/{prompt_id}")).body, prompt_id)


_JSON = {"Content-Type": "application/json"}
_PARTLY_REFUSED = {
    "type": "prompt_outputs_failed_validation",
    "message": "The server would have left out some of the outputs",
    "details": "",
    "extra_info": {},
}


def create(url: str, settings: Mapping[str, Any], layout: ProjectLayout) -> ComfyUIBackend:
    """Open the backend for ``http://`` and ``https://`` URLs; *settings* may hold ``headers``."""
    del layout
    unknown = settings.keys() - {"headers"}
    if unknown:
        raise UsageError(f"the backend {url} takes no setting {', '.join(sorted(unknown))}", hint="it takes headers")
    return ComfyUIBackend(url, headers=settings.get("headers"))


def _split_credentials(url: str) -> tuple[str, tuple[str, str] | None]:
    parts = urlsplit(url)
    if not parts.hostname:
        raise UsageError(f"{url} names no host", hint="write http://HOST:8188")
    address = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
    return address, (parts.username, parts.password or "") if parts.username else None
