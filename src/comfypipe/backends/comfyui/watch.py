"""Who waits for which prompt, and what wakes them: the socket at once, a look at the queue every second."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from comfypipe.backends.base import NodeProgress, OnProgress
from comfypipe.backends.comfyui.wire import Ended, Preview, Queue
from comfypipe.errors import BackendError, BackendUnavailable

_LATE_HISTORY_S = 0.02
_KEPT = 1000  # of a prompt that nobody waits for yet, so many messages are kept


@dataclass(frozen=True, slots=True)
class Timing:
    """
    How long to wait for what, in seconds.

    Attributes:
        poll_s: Between two looks at the queue.
        absent_s: How long a prompt must stand neither in the queue nor in the history to be lost.
        stall_s: How long a server may hold a prompt as running without telling that it executes anything.
        blocked_s: How long a prompt waits behind one that somebody else has there: that may take long, or its worker
            has died over it. Only where there is an elsewhere is it worth asking.
        unreachable_s: How long a server may be silent before those who wait are told.
        cancel_s: How long an interrupted run may take to stop.
        reply_s: How long the reply to a submission is waited for that is cancelled meanwhile.
        ping_s: Between two pings of the socket; one that is not answered for as long ends the connection.
    """

    poll_s: float = 1.0
    absent_s: float = 2.0
    stall_s: float = 55.0  # with the looks before and after it, less than a minute
    blocked_s: float = math.inf
    unreachable_s: float = 15.0
    cancel_s: float = 60.0
    reply_s: float = 5.0
    ping_s: float = 20.0


@dataclass(slots=True)
class Watch:
    """
    What is known of one prompt.

    Attributes:
        told: Progress that came before anybody waited.
        submitted: It was submitted here: nothing can be in the history that the socket does not tell.
        ended: The socket said that it has ended; the history may come a moment later.
        fault: What to raise to whoever waits.
        absent_since: When it was first seen to stand in no queue; None while it stands there.
        running_since: When it was first seen running.
        lively: Something was heard of it from the socket: it really runs.
        client_id: That it was submitted under: who is connected so hears of it, nobody else does. None for one that
            was submitted by another process.
        node_id: The node that runs.
    """

    prompt_id: str
    on_progress: OnProgress | None = None
    waited_for: bool = False
    told: list[NodeProgress] = field(default_factory=list)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    fault: Exception | None = None
    submitted: bool = False
    ended: bool = False
    absent_since: float | None = None
    running_since: float | None = None
    lively: bool = False
    client_id: str | None = None
    node_id: str | None = None

    def hear(self, progress: NodeProgress) -> None:
        """Take in progress from the socket, which says that a node is done only where it shows something."""
        self.lively = True
        if progress.state == "running" and self.node_id not in (None, progress.node_id):
            self.tell(NodeProgress(self.prompt_id, "finished", self.node_id))
        if progress.state in ("running", "finished"):
            self.node_id = progress.node_id if progress.state == "running" else None
        self.tell(progress)

    def tell(self, progress: NodeProgress) -> None:
        """Pass progress on, or keep it for who comes later."""
        if self.waited_for:
            self._pass_on(progress)
        elif len(self.told) < _KEPT and progress.state != "preview":
            self.told.append(progress)

    def _pass_on(self, progress: NodeProgress) -> None:
        try:
            if self.on_progress is not None:
                self.on_progress(progress)
        except Exception as error:  # noqa: BLE001  it is the waiter's own, and raised to the waiter
            self.fault = error
            self.wake.set()

    def is_absent(self, seconds: float) -> bool:
        """Whether it has stood in no queue for so long."""
        return self.absent_since is not None and time.monotonic() - self.absent_since >= seconds

    async def woken(self) -> None:
        """
        Return when it is worth asking for the history.

        Raises:
            BackendUnavailable: The server is silent, or executes nothing.
        """
        if self.ended:
            await asyncio.sleep(_LATE_HISTORY_S)
        else:
            await self.wake.wait()
        self.wake.clear()
        if self.fault is not None:
            raise self.fault

    def see(self, queue: Queue, timing: Timing, *, audible: bool, blocked_s: float) -> None:
        """
        Take in where the prompt stands in the queue.

        Args:
            audible: The socket would tell if it were executed: only then does silence mean anything.
            blocked_s: How long the server has been at one prompt of somebody else's.
        """
        now = time.monotonic()
        if self.prompt_id not in queue:
            self.absent_since = self.absent_since or now
            self.wake.set()
            return
        self.absent_since = None
        silent = self.prompt_id in queue.running and audible and not self.lively
        self.running_since = (self.running_since or now) if silent else None
        if self.running_since is not None and now - self.running_since >= timing.stall_s:
            self.fail(f"the server holds the run as running for {timing.stall_s:g} s and executes nothing")
        elif self.prompt_id in queue.pending and blocked_s >= timing.blocked_s:
            self.fail(f"the server has been at somebody else's prompt for {timing.blocked_s:g} s, or executes nothing")

    def fail(self, message: str) -> None:
        """Tell whoever waits that the server is not to be waited for."""
        self.fault = BackendUnavailable(message, hint="its worker may have died: restart that server")
        self.wake.set()


class Watcher:
    """
    The watches of one server, fed by its socket and by one look at its queue for all of them.

    Args:
        look: Asks for the queue.
        hears: Tells whether the socket that is connected under a client id works.
        drop_surplus: Takes out what of a prompt waits in the queue while it runs.
    """

    def __init__(
        self,
        look: Callable[[], Awaitable[Queue]],
        hears: Callable[[str], bool],
        drop_surplus: Callable[[str], Awaitable[None]],
        timing: Timing,
    ) -> None:
        self._look = look
        self._hears = hears
        self._drop_surplus = drop_surplus
        self._timing = timing
        self._watches: dict[str, Watch] = {}
        self._running: str | None = None
        self._at: tuple[str, ...] = ()
        self._at_since = 0.0
        self._task: asyncio.Task[None] | None = None

    def expect(self, prompt_id: str, client_id: str) -> None:
        """Keep what is heard of a prompt that is about to be submitted under a client id."""
        self._watches.setdefault(prompt_id, Watch(prompt_id)).client_id = client_id

    def queued(self, prompt_id: str) -> None:
        """Note that the server has taken it."""
        watch = self._watches.get(prompt_id)
        if watch is not None:
            watch.submitted = True
            queued = NodeProgress(prompt_id, "queued")
            if watch.waited_for or not watch.told:
                watch.tell(queued)
            else:
                watch.told.insert(0, queued)  # its first messages overtook the reply

    def forget(self, prompt_id: str) -> None:
        """Keep nothing more of a prompt."""
        self._watches.pop(prompt_id, None)

    def wake(self, prompt_id: str) -> None:
        """Have whoever waits for a prompt look again."""
        if prompt_id in self._watches:
            self._watches[prompt_id].wake.set()

    @contextmanager
    def watching(self, prompt_id: str, on_progress: OnProgress | None) -> Iterator[Watch]:
        """Watch a prompt for as long as the block lasts; what was heard of it before is told first."""
        watch = self._watches.setdefault(prompt_id, Watch(prompt_id))
        watch.on_progress, watch.waited_for = on_progress, True
        before, watch.told = watch.told, []
        for progress in before:
            watch.tell(progress)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep_looking())
        try:
            yield watch
        finally:
            self._watches.pop(prompt_id, None)

    def receive(self, message: NodeProgress | Ended | Preview) -> None:
        """Take in a message of the socket."""
        if isinstance(message, Preview):
            self._receive_preview(message)
            return
        watch = self._watches.get(message.prompt_id)
        if isinstance(message, Ended):
            self._running = None if self._running == message.prompt_id else self._running
            if watch is not None:
                watch.ended = True
                watch.wake.set()
            return
        self._running = message.prompt_id
        if watch is not None:
            watch.hear(message)

    async def close(self) -> None:
        """Look no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _receive_preview(self, preview: Preview) -> None:
        watch = self._watches.get(preview.prompt_id or self._running or "")
        if watch is not None:
            watch.tell(NodeProgress(watch.prompt_id, "preview", preview.node_id, preview=preview.image))

    async def _keep_looking(self) -> None:
        heard = time.monotonic()
        while self._waited_for():
            try:
                await self._look_once()
            except BackendUnavailable as error:
                if time.monotonic() - heard >= self._timing.unreachable_s:
                    self._fail(error)
            except BackendError as error:  # it answers, and will not answer otherwise
                self._fail(error)
            else:
                heard = time.monotonic()
            await asyncio.sleep(self._timing.poll_s)

    async def _look_once(self) -> None:
        queue = await self._look()
        blocked_s = self._blocked_s(queue)
        for watch in self._waited_for():
            audible = watch.client_id is not None and self._hears(watch.client_id)
            watch.see(queue, self._timing, audible=audible, blocked_s=blocked_s)
        for watch in self._waited_for():
            if queue.has_surplus(watch.prompt_id):
                await self._drop_surplus(watch.prompt_id)

    def _blocked_s(self, queue: Queue) -> float:
        """Return how long the server has been at one prompt of somebody else's."""
        ours = any(each in self._watches for each in queue.running)
        if not queue.running or ours or queue.running != self._at:
            self._at, self._at_since = queue.running, time.monotonic()
        return time.monotonic() - self._at_since

    def _waited_for(self) -> list[Watch]:
        return [watch for watch in self._watches.values() if watch.waited_for]

    def _fail(self, error: BackendError) -> None:
        for watch in self._waited_for():
            watch.fault = error
            watch.wake.set()
