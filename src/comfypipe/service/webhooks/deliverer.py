"""Delivers what the outbox holds: at once, then again as the schedule says, across restarts, until it is taken."""

import asyncio
import heapq
import logging
import resource
import time
from dataclasses import dataclass, replace

from comfypipe.downloads.guard import AddressPolicy
from comfypipe.service.times import now_ms
from comfypipe.service.webhooks import attempts, outbox, secrets, urls
from comfypipe.service.webhooks.attempts import Attempt
from comfypipe.service.webhooks.outbox import Event
from comfypipe.service.webhooks.queue import DeliveryQueue, lane_of
from comfypipe.service.webhooks.schedule import Verdict, judge
from comfypipe.service.webhooks.secrets import SecretRecord, SigningKey
from comfypipe.service.webhooks.sending import TIMEOUT_S, Sender
from comfypipe.store.connection import Connection
from comfypipe.store.worker import DatabaseWorker
from comfypipe.webhooks import signed_headers

_log = logging.getLogger(__name__)

_LOOK_AGAIN_S = 2.0
"""How often the outbox is looked at without being woken: somebody else may have written to it."""

_AFTER_FAULT_MS = 30_000
"""When an event is tried again that we ourselves could not attempt: the database failed, or a key is missing."""

_TOGETHER = 64
"""How many new events are read with their bodies; what else is new, as after a restart, is read when its turn comes."""

_FRESH_S = 1.0
"""How long what was read before may be sent: what happened to the event meanwhile counts from the next attempt on."""

_PROMPT_S = 2.0
"""An attempt that is over by then holds nobody up."""

_TIDY_S = 3600.0
_MOST_AT_ONCE = 1536


@dataclass(frozen=True, slots=True)
class _Letter:
    """What is sent, the secrets that sign it, and when that was read."""

    body: bytes
    signing: list[SecretRecord]
    read_s: float


class Deliverer:
    """
    Sends events, many at once, until it is cancelled.

    What is under way when the process ends, however it ends, is sent again by the next one, with the same id.

    Args:
        worker: The service's database.
        policy: Where connections may go.
        key: What secrets are derived from.
        timeout_s: For each attempt.
    """

    def __init__(
        self, worker: DatabaseWorker, policy: AddressPolicy, key: SigningKey, *, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._worker = worker
        self._policy = policy
        self._key = key
        self._timeout_s = timeout_s
        self._queue = DeliveryQueue(_at_once())
        self._later: list[tuple[int, int, Event]] = []
        self._positions: dict[str, int] = {}
        self._letters: dict[str, _Letter] = {}
        self._position = 0
        self._looked_s = self._tidied_s = float("-inf")
        self._news = True
        self._recalled = False
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Look into the outbox now: something was added."""
        self._news = True
        self._changed.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        sender = Sender(self._policy, self._timeout_s)
        try:
            while True:
                self._changed.clear()
                await self._look()
                self._release()
                self._begin(sender)
                await self._sleep()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await sender.close()

    async def _look(self) -> None:
        """Learn of events that became pending, and now and then drop what is old."""
        now_s = time.monotonic()
        if not self._news and now_s - self._looked_s < _LOOK_AGAIN_S:
            return
        self._news, self._looked_s = False, now_s
        try:
            await self._recall()
            found, letters = await self._worker.read(self._read_new)
            if now_s - self._tidied_s > _TIDY_S:
                self._tidied_s = now_s
                await self._worker.write(lambda connection: outbox.forget(connection, now_ms()))
        except Exception:  # noqa: BLE001  the database may be busy: what is stored stays, and is found the next time
            _log.exception("the outbox of webhooks could not be read")
            return
        self._letters = {**letters, **{key: each for key, each in self._letters.items() if _is_fresh(each)}}
        for event in found:
            self._position = max(self._position, event.position)
            self._positions[event.id] = event.position
            self._put_off(event)

    async def _recall(self) -> None:
        """Learn which receivers an earlier process found to be slow: what it left under way goes to those, mostly."""
        if self._recalled:
            return
        for tenant, url, duration_ms in await self._worker.read(attempts.recent):
            self._queue.recall(lane_of(tenant, url), prompt=duration_ms < 1000 * _PROMPT_S)
        self._recalled = True

    def _read_new(self, connection: Connection) -> tuple[list[Event], dict[str, _Letter]]:
        """Return the events that became pending and, while they are few, what is sent for each, which saves a look."""
        found = outbox.pending_after(connection, self._position)
        if len(found) > _TOGETHER:
            return found, {}
        return found, {each.id: self._letter(connection, each) for each in found}

    def _letter(self, connection: Connection, event: Event) -> _Letter:
        signing = secrets.active(connection, event.tenant, now_ms())
        return _Letter(outbox.body_of(connection, event.id), signing, time.monotonic())

    def _put_off(self, event: Event) -> None:
        heapq.heappush(self._later, (event.next_ms or 0, event.position, event))

    def _release(self) -> None:
        """Let events queue whose time has come."""
        at_ms = now_ms()
        while self._later and self._later[0][0] <= at_ms:
            event = heapq.heappop(self._later)[2]
            if self._positions.get(event.id) == event.position:  # else it was replayed, and stands here once more
                self._queue.put(event)

    def _begin(self, sender: Sender) -> None:
        while (event := self._queue.take()) is not None:
            task = asyncio.create_task(self._deliver(sender, event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _sleep(self) -> None:
        due_s = (self._later[0][0] - now_ms()) / 1000 if self._later else _LOOK_AGAIN_S
        try:
            async with asyncio.timeout(min(max(due_s, 0.001), _LOOK_AGAIN_S)):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _deliver(self, sender: Sender, event: Event) -> None:
        began_s = time.monotonic()
        slow = asyncio.get_running_loop().call_later(_PROMPT_S, self._slow, event)
        try:
            letter = self._letters.pop(event.id, None)
            if letter is None or not _is_fresh(letter):
                letter = await self._worker.read(lambda connection: self._prepare(connection, event))
            if letter is None:
                self._forget(event)
            else:
                await self._attempt(sender, event, letter)
        except Exception:  # noqa: BLE001  whatever it is, this event must not be lost, nor others stopped
            _log.exception("the webhook %s could not be attempted", event.id)
            self._put_off(replace(event, next_ms=now_ms() + _AFTER_FAULT_MS))
        finally:
            slow.cancel()
            self._queue.done(event, prompt=time.monotonic() - began_s < _PROMPT_S)
            self._changed.set()

    def _slow(self, event: Event) -> None:
        self._queue.slow(event)
        self._changed.set()  # its lane may have more at once now

    def _prepare(self, connection: Connection, event: Event) -> _Letter | None:
        """Return what is sent; None when it is to be sent no more, or not so."""
        found = outbox.find(connection, event.id)
        if found is None or (found.state, found.position) != (outbox.PENDING, event.position):
            return None
        return self._letter(connection, event)

    async def _attempt(self, sender: Sender, event: Event, letter: _Letter) -> None:
        started_ms, began_s = now_ms(), time.monotonic()
        signing = secrets.derived(self._key, letter.signing)
        headers = signed_headers(letter.body, signing, webhook_id=event.id, timestamp=started_ms // 1000)
        answer = await sender.send(lane_of(event.tenant, event.url), event.url, headers, letter.body)
        duration_ms = round(1000 * (time.monotonic() - began_s))
        attempt = Attempt(started_ms, duration_ms, answer.status, answer.error)
        verdict = judge(answer, event.tries + 1, now_ms())
        counts = await self._worker.write(lambda connection: _store(connection, event, attempt, verdict))
        if not counts or verdict.next_ms is None:
            self._forget(event)
        else:
            self._put_off(replace(event, tries=event.tries + 1, next_ms=verdict.next_ms))

    def _forget(self, event: Event) -> None:
        if self._positions.get(event.id) == event.position:
            del self._positions[event.id]


def _store(connection: Connection, event: Event, attempt: Attempt, verdict: Verdict) -> bool:
    """Note an attempt and what it comes to; False where the event was replayed or switched off meanwhile."""
    attempts.log(connection, event.id, attempt)
    at_ms = attempt.started_ms + attempt.duration_ms
    counts = outbox.settle(connection, event, verdict.state, now_ms=at_ms, next_ms=verdict.next_ms)
    if verdict.gone:
        urls.disable(connection, event.tenant, event.url, urls.GONE, at_ms)
        outbox.switch_off(connection, event.tenant, event.url, at_ms)
    return counts


def _is_fresh(letter: _Letter) -> bool:
    return time.monotonic() - letter.read_s < _FRESH_S


def _at_once() -> int:
    """Return how many attempts may be under way: each has a connection, and connections are limited."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_AT_ONCE if limit == resource.RLIM_INFINITY else max(8, min(_MOST_AT_ONCE, limit // 4))
