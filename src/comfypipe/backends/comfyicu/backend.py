"""A runs API as a backend: ComfyICU's, or that of our own service."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx

from comfypipe._types import JSONObject
from comfypipe.backends.base import InputFile, OnProgress, OutputFile, RunHandle, RunResult, Submission
from comfypipe.backends.comfyicu.accelerators import known_accelerators, name_wanted
from comfypipe.backends.comfyicu.address import ApiAddress
from comfypipe.backends.comfyicu.api import RunsApi
from comfypipe.backends.comfyicu.failures import is_about_accelerator, refusal
from comfypipe.backends.comfyicu.following import Following
from comfypipe.backends.comfyicu.lookup import Lookup
from comfypipe.backends.comfyicu.marks import marked
from comfypipe.backends.comfyicu.offer import Offer, Offering
from comfypipe.backends.comfyicu.outside import Outputs
from comfypipe.backends.comfyicu.receiver import WebhookReceiver
from comfypipe.backends.comfyicu.staging import NoStaging, Staging
from comfypipe.backends.comfyicu.telling import Telling
from comfypipe.backends.comfyicu.timing import ApiTiming
from comfypipe.backends.comfyicu.uploads import ServiceUploads
from comfypipe.backends.comfyicu.waking import Waking
from comfypipe.backends.comfyicu.wire import parse_created, parse_runs, request_body
from comfypipe.downloads.guard import AddressPolicy
from comfypipe.errors import (
    AuthenticationFailed,
    BackendError,
    BackendRejected,
    OutputGone,
    ServerStateLost,
    UsageError,
)
from comfypipe.prompt.object_info import ObjectInfo

_KEPT = 10_000
"""So many submissions are remembered; older ones are found by asking."""
OWN_WORKFLOW = "comfypipe"
"""The workflow that runs of our own service belong to, where nothing names one."""


@dataclass(frozen=True, slots=True)
class _Sent:
    workflow_id: str
    at: datetime
    handle: RunHandle | None = None


class ComfyICUBackend:
    """
    Runs prompts by ComfyICU's runs API.

    What a run needs travels by URL: outputs of earlier runs are passed on without coming here, and files of this
    machine are put where the other side can reach them.

    Args:
        key: Sent as a bearer token; None for a service that asks for none.
        workflow_id: Which workflow runs go to, where the URL does not say.
        staging: Where files of this machine are put; our own service takes them itself.
        receiver: Hears of ends by webhook; they are asked for all the same.
        policy: Which other hosts outputs may be fetched from.
        transport: Takes the place of the network to the API, for tests.
    """

    def __init__(
        self,
        address: ApiAddress,
        *,
        key: str | None = None,
        workflow_id: str | None = None,
        staging: Staging | None = None,
        receiver: WebhookReceiver | None = None,
        policy: AddressPolicy | None = None,
        timing: ApiTiming | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._address = address
        self._workflow_id = address.workflow_id or workflow_id
        self._timing = timing or ApiTiming()
        self._api = RunsApi(address.base, key, self._timing, transport=transport)
        self._has_key = key is not None
        self._offering = Offering(self._api, plain=address.hosted)
        self._staging = staging
        self._receiver = receiver
        self._outputs = Outputs(address.base, key, policy or AddressPolicy())
        self._waking = Waking()
        self._following = Following(self._api, self._waking, self._timing)
        self._lookup = Lookup(self._api, self._timing)
        self._uploads = ServiceUploads(self._api)
        self._sent: dict[str, _Sent] = {}

    @property
    def url(self) -> str:
        """What the user called it."""
        return self._address.shown

    @property
    def simulated(self) -> bool:
        """What it gives is real, unless a run says otherwise."""
        return False

    @property
    def takes_urls(self) -> bool:
        """Files travel by URL."""
        return True

    async def close(self) -> None:
        """Close the connections; runs go on."""
        if self._receiver is not None:
            await self._receiver.close()
        await self._outputs.close()
        await self._api.close()

    async def object_info(self, *, fresh: bool = False) -> ObjectInfo | None:
        """
        Return None, once the API was found to be there: what it cannot run, it says when the run is made or begins.

        Raises:
            BackendUnavailable: It cannot be reached.
            AuthenticationFailed: ComfyICU's own has no key, or refuses it.
        """
        del fresh
        self._check_key()
        await self._offering.get()
        if self._address.hosted:
            await self._api.ask("/workflows")  # says at once whether the key is right
        return None

    # Submitting

    async def submit(self, submission: Submission) -> RunHandle:
        """
        Put the files where the other side can fetch them, and make the run, once.

        Raises:
            PromptInvalid: The prompt is refused.
            BackendRejected: A file cannot be had there, no wanted accelerator is known, or the account has no credit.
            SubmissionUnknown: The reply was lost.
        """
        self._check_key()
        offer = await self._offering.get()
        workflow_id = self._workflow(offer)
        accelerators = _accelerators(submission, offer, self._address.base)
        files = await self._placed(submission, offer)
        webhook = await self._webhook()
        self._remember(submission.prompt_id, workflow_id)
        for accelerator in accelerators:
            body = request_body(
                marked(submission.prompt, submission.prompt_id),
                workflow_id=workflow_id,
                files=files,
                accelerator=accelerator,
                webhook=webhook,
                more=_own_fields(submission) if offer.ours else None,
            )
            own_key = (
                submission.prompt_id if accelerator == accelerators[0] else f"{submission.prompt_id}-{accelerator}"
            )
            reply = await self._api.create(
                f"/workflows/{workflow_id}/runs", body, idempotency_key=own_key if offer.ours else None
            )
            if reply.status in (httpx.codes.OK, httpx.codes.CREATED, httpx.codes.ACCEPTED):
                known = self._known(submission.prompt_id, workflow_id, parse_created(reply.body))
                return replace(known, accelerator=name_wanted(submission.accelerator, accelerator))
            if accelerator == accelerators[-1] or not is_about_accelerator(reply.body):
                break
        raise refusal(reply.status, reply.body, self._address.base)

    def _check_key(self) -> None:
        if self._address.hosted and not self._has_key:
            raise AuthenticationFailed("comfy.icu wants a key", hint="export COMFYICU_API_KEY=…")

    def _workflow(self, offer: Offer) -> str:
        found = self._workflow_id or (OWN_WORKFLOW if offer.ours else None)
        if found is None:
            raise UsageError(
                f"{self.url} does not say which workflow runs go to",
                hint="make one on the web site, and name it: comfyicu:?workflow_id=… or workflow_id in the settings",
            )
        return found

    async def _placed(self, submission: Submission, offer: Offer) -> dict[str, str]:
        """Return by place in ComfyUI's folder the URL of every file."""
        staging = self._staging or (self._uploads if offer.ours else NoStaging(self._address.base))
        files = (*submission.model_files, *submission.files)
        urls = await asyncio.gather(*(_url_of(each, staging) for each in files))
        return {f"/{each.name}": url for each, url in zip(files, urls, strict=True)}

    async def _webhook(self) -> str | None:
        if self._receiver is None:
            return None
        await self._receiver.open(self._waking.wake)
        return self._receiver.url

    def _remember(self, prompt_id: str, workflow_id: str) -> None:
        """Note when a submission was sent first: later ones may be the same again."""
        self._sent.setdefault(prompt_id, _Sent(workflow_id, datetime.now(UTC)))
        while len(self._sent) > _KEPT:
            del self._sent[next(iter(self._sent))]

    def _known(self, prompt_id: str, workflow_id: str, run_id: str) -> RunHandle:
        handle = RunHandle(prompt_id, server=f"{workflow_id}/{run_id}", remote_id=run_id)
        if prompt_id in self._sent:
            self._sent[prompt_id] = replace(self._sent[prompt_id], handle=handle)
        return handle

    # Watching

    async def find(self, prompt_id: str, server: str | None = None) -> RunHandle | None:
        """
        Return the handle of a run that the API knows.

        Args:
            server: Where it was recorded to be: ``WORKFLOW_ID/RUN_ID``.

        Raises:
            SubmissionUnknown: The API lists too few runs to tell.
        """
        sent = self._sent.get(prompt_id)
        if server is None and sent is not None and sent.handle is not None:
            server = sent.handle.server
        if server is not None:
            found = await self._following.get(_path(server))
            return RunHandle(prompt_id, server=server, remote_id=found.id) if found is not None else None
        offer = await self._offering.get()
        workflow_id = (
            sent.workflow_id if sent is not None else self._workflow_id or (OWN_WORKFLOW if offer.ours else None)
        )
        if workflow_id is None:
            return None  # nothing can have been sent
        if offer.ours:
            return await self._find_own(prompt_id, workflow_id)
        run = await self._lookup.find(workflow_id, prompt_id, sent.at if sent is not None else None)
        return self._known(prompt_id, workflow_id, run.id) if run is not None else None

    async def _find_own(self, prompt_id: str, workflow_id: str) -> RunHandle | None:
        reply = await self._api.ask(f"/workflows/{workflow_id}/runs", {"tag": _tag(prompt_id), "limit": "1"})
        runs = parse_runs(reply.body) if reply.status == httpx.codes.OK else ()
        return self._known(prompt_id, workflow_id, runs[0].id) if runs else None

    async def wait(self, handle: RunHandle, on_progress: OnProgress | None = None) -> RunResult:
        """
        Return when the run has ended.

        Raises:
            ServerStateLost: The API does not know it.
            BackendUnavailable: The API cannot be asked.
        """
        offer = await self._offering.get()
        found = handle if handle.server is not None else await self.find(handle.prompt_id)
        if found is None or found.server is None:
            raise ServerStateLost(f"{self._address.base} does not know the run {handle.prompt_id}")
        result = await self._following.end(
            _path(found.server),
            found.server.rpartition("/")[2],
            Telling(handle.prompt_id, on_progress),
            events=offer.ours,
            told=self._receiver is not None,
        )
        located = (replace(each, server=found.server, url=self._absolute(each)) for each in result.files)
        return replace(result, files=tuple(located))

    def _absolute(self, file: OutputFile) -> str | None:
        return self._outputs.absolute(file.url) if file.url is not None else None

    async def fetch(self, output: OutputFile, destination: Path) -> None:
        """
        Write a file of a run to *destination*: whole, or not at all.

        A URL that holds no longer is asked for anew.

        Raises:
            OutputGone: The file is not there any more.
            DownloadRefused: It lies on a host that may not be connected to.
        """
        if output.url is None:
            raise BackendRejected(f"{output.filename} is no file of {self._address.base}: it has no URL")
        if await self._outputs.download(output.url, destination):
            return
        fresh = await self._fresh_url(output)
        if fresh in (None, output.url) or not await self._outputs.download(str(fresh), destination):
            raise OutputGone(
                f"{output.filename} is gone: its URL has expired, or its run was deleted",
                hint="run the same command again: what made it runs anew",
            )

    async def _fresh_url(self, output: OutputFile) -> str | None:
        run = await self._following.get(_path(output.server)) if output.server is not None else None
        files = run.result.files if run is not None and run.result is not None else ()
        same = (each for each in files if (each.node_id, each.filename) == (output.node_id, output.filename))
        return next((self._absolute(each) for each in same), None)

    async def cancel(self, handle: RunHandle) -> None:
        """
        Return when the run is neither queued nor running.

        Raises:
            BackendError: It goes on: the API has no way to cancel, or the run does not stop.
        """
        found = handle if handle.server is not None else await self.find(handle.prompt_id)
        if found is None or found.server is None:
            return
        path = _path(found.server)
        run = await self._following.get(path)
        if run is None or run.result is not None:
            return
        if not (await self._offering.get()).ours:
            raise BackendError(
                f"the run {run.id} goes on: {self._address.base} has no way to cancel it, and charges for it",
                hint="it can be looked for on the web site; the next run of the same request takes up what it gives",
            )
        await self._api.tell("POST", f"{path}/cancel")
        await self._stopped(path, run.id)

    async def _stopped(self, path: str, run_id: str) -> None:
        with self._waking.waiting(run_id):
            polls = 0
            deadline = asyncio.get_running_loop().time() + self._timing.cancel_s
            while (run := await self._following.get(path)) is not None and run.result is None:
                if asyncio.get_running_loop().time() > deadline:
                    raise BackendError(f"the run {run_id} does not stop", hint="its node cannot be interrupted")
                polls += 1
                await asyncio.sleep(self._timing.poll_delay_s(polls) / 4)
        self._waking.wake(run_id)


def _path(server: str) -> str:
    workflow_id, _, run_id = server.rpartition("/")
    return f"/workflows/{workflow_id}/runs/{run_id}"


def _tag(prompt_id: str) -> str:
    return f"comfypipe:{prompt_id}"


def _own_fields(submission: Submission) -> JSONObject:
    """Return what our own service takes besides: it says more of the run, and refuses at once what cannot run."""
    return {
        "tags": [_tag(submission.prompt_id)],
        "extra_data": {"extra_pnginfo": submission.extra_pnginfo},
        "extended": True,
        "validate": True,
    }


async def _url_of(file: InputFile, staging: Staging) -> str:
    return file.url if file.url is not None else await staging.url_of(file)


def _accelerators(submission: Submission, offer: Offer, who: str) -> tuple[str | None, ...]:
    """Return what may be asked for, first choice first; None alone where any will do."""
    if not submission.accelerator:
        return (None,)
    known = known_accelerators(submission.accelerator, offer.accelerators)
    if not known:
        raise BackendRejected(
            f"{who} has none of the accelerators {', '.join(submission.accelerator)}",
            hint=f"it has {', '.join(offer.accelerators)}",
        )
    return known
