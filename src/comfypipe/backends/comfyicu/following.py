"""Waiting for a run: asked for again and again, sooner when something is heard of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx

from comfypipe.backends.base import RunResult
from comfypipe.backends.comfyicu.api import RunsApi
from comfypipe.backends.comfyicu.events import read_events
from comfypipe.backends.comfyicu.telling import Telling
from comfypipe.backends.comfyicu.timing import ApiTiming
from comfypipe.backends.comfyicu.waking import Waking, woken
from comfypipe.backends.comfyicu.wire import ApiRun, parse_progress, parse_run
from comfypipe.errors import ServerStateLost

_STREAMS = 16
"""How many streams of events are open at once; runs beyond are asked for a little more often instead."""
_LAST_EVENTS_S = 2.0
"""How long the events of a run that has ended are waited for."""


class Following:
    """Waits for the runs of one API."""

    def __init__(self, api: RunsApi, waking: Waking, timing: ApiTiming) -> None:
        self._api = api
        self._waking = waking
        self._timing = timing
        self._streams = asyncio.Semaphore(_STREAMS)

    async def get(self, path: str) -> ApiRun | None:
        """Return a run as it is now; None when the API does not know it."""
        reply = await self._api.ask(path)
        return None if reply.status in (httpx.codes.NOT_FOUND, httpx.codes.GONE) else parse_run(reply.body)

    async def end(self, path: str, run_id: str, telling: Telling, *, events: bool, told: bool) -> RunResult:
        """
        Return how a run ended, when it has.

        Args:
            path: Of the run, below the API's base URL.
            events: Whether there is a stream of its events.
            told: Whether its end is told by a webhook.

        Raises:
            ServerStateLost: The API does not know it.
            BackendUnavailable: It cannot be asked.
        """
        with self._waking.waiting(run_id) as event:
            async with self._listening(path, event, telling, events=events) as stream:
                polls = 0
                while True:
                    run = await self.get(path)
                    if run is None:
                        raise ServerStateLost(f"{self._api.url} does not know the run {run_id} any more")
                    if run.result is not None:
                        await _finished(stream)
                    telling.status(run.status)
                    if run.result is not None:
                        return run.result
                    polls += 1
                    heard = told or (stream is not None and not stream.done())
                    await woken(event, self._timing.poll_delay_s(polls, told=heard))

    @asynccontextmanager
    async def _listening(
        self, path: str, event: asyncio.Event, telling: Telling, *, events: bool
    ) -> AsyncIterator["asyncio.Task[None] | None"]:
        """Follow the stream of a run's events beside the polls, where there is one and there is room."""
        if not events or self._streams.locked():
            yield None
            return
        async with self._streams:
            task = asyncio.create_task(self._stream(path, event, telling))
            try:
                yield task
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _stream(self, path: str, event: asyncio.Event, telling: Telling) -> None:
        try:
            async with self._api.streaming(f"{path}/events") as lines:
                async for name, body in read_events(lines):
                    progress = parse_progress(telling.prompt_id, body) if name == "progress" else None
                    if progress is not None:
                        telling.node(progress)
                    else:
                        event.set()
        except httpx.HTTPError:
            pass  # polls go on, a little more often
        finally:
            event.set()


async def _finished(stream: "asyncio.Task[None] | None") -> None:
    """Wait until the last events of a run that has ended are told."""
    if stream is not None:
        await asyncio.wait([stream], timeout=_LAST_EVENTS_S)
        if stream.done() and not stream.cancelled():
            stream.result()  # what the listener raised is the waiter's own
