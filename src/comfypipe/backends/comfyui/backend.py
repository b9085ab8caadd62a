"""One ComfyUI server: prompts are queued there, watched, and their files fetched."""

import asyncio
import json
import ssl
import time
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx

from comfypipe.backends.base import (
    OnProgress,
    OutputFile,
    RunHandle,
    RunResult,
    RunStatus,
    Submission,
)
from comfypipe.backends.comfyui.jobs import JobsApi
from comfypipe.backends.comfyui.offers import Offers
from comfypipe.backends.comfyui.socket import Socket
from comfypipe.backends.comfyui.uploads import Uploads
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
from comfypipe.backends.http import MAX_OUTPUT_BYTES, HttpServer
from comfypipe.errors import (
    BackendError,
    BackendUnavailable,
    OutputGone,
    PromptInvalid,
    RunCancelled,
    ServerStateLost,
    SubmissionUnknown,
    UsageError,
)
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
        tls: What certificates are trusted, where not those of public authorities.
        max_output_bytes: How large a file of a run may be.
        keep: Folder in which what the server offers is kept; nowhere if None.
        transport: Takes the place of the network for HTTP requests, for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timing: Timing | None = None,
        tls: ssl.SSLContext | None = None,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
        keep: Path | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url, credentials = _split_credentials(url)
        self._timing = timing or Timing()
        all_headers = {**_authorization(credentials), **(headers or {})}
        self._http = HttpServer(
            self._url, headers=all_headers, tls=tls, max_output_bytes=max_output_bytes, transport=transport
        )
        self._watcher = Watcher(self._queue, self._hears, self._drop_surplus, self._timing)
        self._socket = Socket(
            self._url, self._watcher.receive, headers=all_headers, tls=tls, ping_s=self._timing.ping_s
        )
        self._uploads = Uploads(self._http)
        self._offers = Offers(self._http, keep)
        self._jobs = JobsApi(self._http)
        self._cancelled: set[str] = set()
        self._doubtful: set[str] = set()

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
        """Files are uploaded, and fetched."""
        return False

    async def close(self) -> None:
        """Close the connections; runs on the server go on."""
        await self._watcher.close()
        await self._socket.close()
        await self._http.close()

    async def object_info(self, *, fresh: bool = False) -> ObjectInfo | None:
        """Return what the server can run."""
        return await self._offers.get(fresh=fresh)

    # Submitting

    async def submit(self, submission: Submission) -> RunHandle:
        """
        Upload the files and queue the prompt, once; of one that is sent again, what then is there twice is taken out.

        Raises:
            PromptInvalid: The server refuses it, or some of its outputs.
            SubmissionUnknown: The reply was lost.
        """
        some_were_there = await self._uploads.put(submission.files)
        await self._socket.open()
        try:
            accepted = await self._post(submission)
        except PromptInvalid:
            self._offers.forget()
            if not some_were_there:
                raise
            self._uploads.forget()  # the server may have lost them since
            await self._uploads.put(submission.files)
            accepted = await self._post(submission)
        handle = RunHandle(submission.prompt_id, remote_id=accepted.prompt_id)
        if accepted.refused:
            await self.cancel(handle)
            raise refusal(200, {"error": _PARTLY_REFUSED, "node_errors": accepted.refused})
        self._watcher.queued(submission.prompt_id)
        if submission.again:
            self._doubtful.add(submission.prompt_id)
            with suppress(BackendError):  # it was taken; what is surplus is looked for again when it ends
                await self._drop_surplus(submission.prompt_id)
        return handle

    async def _post(self, submission: Submission) -> Accepted:
        client_id = self._socket.client_id
        self._watcher.expect(submission.prompt_id, client_id)
        posting = asyncio.ensure_future(self._post_as(submission, client_id))
        try:
            return await asyncio.shield(posting)
        except asyncio.CancelledError:
            # A prompt that is on its way cannot be called back. Once the reply is there the server can be asked for it.
            await asyncio.wait({posting}, timeout=self._timing.reply_s)
            if posting.cancel() or posting.cancelled() or posting.exception() is not None:
                self._watcher.forget(submission.prompt_id)
            raise
        except BaseException:
            self._watcher.forget(submission.prompt_id)
            raise

    async def _post_as(self, submission: Submission, client_id: str) -> Accepted:
        # In ASCII: a prompt may hold lone surrogates, which UTF-8 cannot.
        body = json.dumps(submission_body(submission, client_id)).encode("ascii")
        try:
            reply = await self._http.request("POST", "/prompt", content=body, headers=_JSON, allowed=(_TOO_MANY,))
        except BackendUnavailable as error:
            if isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout):
                raise  # nothing was sent
            self._doubtful.add(submission.prompt_id)
            raise SubmissionUnknown(
                f"the reply to POST /prompt was lost: {error.message}", hint="it may run all the same; it is looked for"
            ) from error
        if reply.status == _TOO_MANY:  # said before anything was queued
            raise BackendUnavailable(
                f"{self._url} takes no more requests for now",
                hint="send fewer at once",
                retry_after_s=reply.retry_after_s,
            )
        if reply.status != httpx.codes.OK:
            raise refusal(reply.status, reply.body)
        return parse_accepted(reply.body)

    # Watching

    async def find(self, prompt_id: str, server: str | None = None) -> RunHandle | None:
        """
        Return the handle of a prompt that the server has.

        One question where it has jobs; else the queue first, then the history, so that none slips through in between.
        Of one whose submission was in doubt, what waits in the queue while it runs is taken out.
        """
        del server  # there is one
        if not await self._has(prompt_id):
            return None
        if prompt_id in self._doubtful:
            await self._drop_surplus(prompt_id)
        return RunHandle(prompt_id, remote_id=prompt_id)

    async def _has(self, prompt_id: str) -> bool:
        if await self._jobs.is_there():
            return await self._jobs.has(prompt_id)
        return prompt_id in await self._queue() or await self._history(prompt_id) is not None

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
                    await self._settle(prompt_id)
                    return result
                if watch.is_absent(self._timing.absent_s):
                    return self._lost(prompt_id)
                await watch.woken()

    async def _settle(self, prompt_id: str) -> None:
        """See to it that a prompt that has ended does not run again, where it may have been queued twice."""
        if prompt_id in self._doubtful:
            self._doubtful.discard(prompt_id)
            await self._drop_surplus(prompt_id, ended=True)

    async def _drop_surplus(self, prompt_id: str, *, ended: bool = False) -> None:
        """Take out of the queue what waits of a prompt that runs, or has ended."""
        queue = await self._queue()
        if queue.has_surplus(prompt_id) or (ended and prompt_id in queue.pending):
            await self._delete(prompt_id)

    def _hears(self, client_id: str) -> bool:
        return self._socket.hears(client_id)

    def _lost(self, prompt_id: str) -> RunResult:
        if prompt_id in self._cancelled:  # a pending prompt that is deleted leaves nothing behind
            return RunResult(RunStatus.CANCELLED, error=RunCancelled("the run was cancelled before it started"))
        self._jobs.forget()
        self._uploads.forget()
        raise ServerStateLost(
            f"{self._url} does not know the run {prompt_id} any more", hint="it was restarted, or its history cleared"
        )

    async def fetch(self, output: OutputFile, destination: Path) -> None:
        """
        Write a file of a run to *destination*: whole, or not at all.

        Raises:
            OutputGone: The server does not have it any more.
        """
        where = {"filename": output.filename, "subfolder": output.subfolder, "type": output.kind}
        if not await self._http.download("/view", where, destination):
            raise OutputGone(
                f"{self._url} does not have {output.filename} any more",
                node_id=output.node_id,
                hint="it answered from its cache, or the file was deleted",
            )

    async def cancel(self, handle: RunHandle) -> None:
        """
        Return when the run is neither queued nor running.

        An interruption straight after the submission can be lost, so this stops it and looks again.

        Raises:
            BackendError: It runs on: a node that cannot be interrupted.
        """
        prompt_id = handle.remote_id or handle.prompt_id
        deadline = time.monotonic() + self._timing.cancel_s
        delay_s = 0.02
        while prompt_id in (queue := await self._queue()):
            self._cancelled.add(prompt_id)
            await self._stop(prompt_id, queue)
            if time.monotonic() > deadline:
                raise BackendError(
                    f"the run {prompt_id} does not stop on {self._url}", hint="its node cannot be interrupted"
                )
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, 1.0)
        self._watcher.wake(prompt_id)

    async def _stop(self, prompt_id: str, queue: Queue) -> None:
        if await self._jobs.is_there() and await self._jobs.cancel(prompt_id):
            return
        await self._delete(prompt_id)
        if prompt_id in queue.running:  # without the id, an old server would interrupt whatever runs
            await self._http.request("POST", "/interrupt", repeatable=True, json={"prompt_id": prompt_id})

    async def _delete(self, prompt_id: str) -> None:
        await self._http.request("POST", "/queue", repeatable=True, json={"delete": [prompt_id]})

    async def _queue(self) -> Queue:
        return parse_queue((await self._http.request("GET", "/queue")).body)

    async def _history(self, prompt_id: str) -> RunResult | None:
        return parse_history((await self._http.request("GET", f"/history/{prompt_id}")).body, prompt_id)


_JSON = {"Content-Type": "application/json"}
_TOO_MANY = 429
_PARTLY_REFUSED = {
    "type": "prompt_outputs_failed_validation",
    "message": "The server would have left out some of the outputs",
    "details": "",
    "extra_info": {},
}


def _split_credentials(url: str) -> tuple[str, tuple[str, str] | None]:
    parts = urlsplit(url)
    if not parts.hostname:
        raise UsageError(f"{url} names no host", hint="write http://HOST:8188")
    address = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
    return address, (unquote(parts.username), unquote(parts.password or "")) if parts.username else None


def _authorization(credentials: tuple[str, str] | None) -> dict[str, str]:
    """Return the header that says who asks: the socket needs it as well as the requests."""
    if credentials is None:
        return {}
    return {"Authorization": f"Basic {b64encode(':'.join(credentials).encode()).decode()}"}
