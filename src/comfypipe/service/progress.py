"""What happens to runs while they run, for those who watch: kept for a while, so that a broken connection goes on."""

import asyncio
import secrets
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from comfypipe._types import JSONObject

_KEPT_EVENTS = 512
"""Of one run; of more, the oldest are forgotten."""
_KEPT_RUNS = 256
"""Ended runs whose events are kept."""


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """
    Something that happened to a run.

    Attributes:
        number: Counted from 1 for each run.
        kind: ``status``, ``progress`` or ``end``.
    """

    number: int
    kind: str
    data: JSONObject


@dataclass(slots=True, eq=False)
class _Log:
    events: "deque[ProgressEvent]" = field(default_factory=lambda: deque(maxlen=_KEPT_EVENTS))
    last: int = 0
    ended: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, kind: str, data: JSONObject) -> None:
        previous = self.events[-1] if self.events else None
        self.last += 1
        if previous is not None and kind == "progress" and _same_step(previous, data):
            self.events.pop()  # of many steps of one node only the last is worth keeping
        self.events.append(ProgressEvent(self.last, kind, data))
        self.ended = self.ended or kind == "end"
        self.changed.set()
        self.changed = asyncio.Event()


class Broadcast:
    """
    Events by run, told to any number of listeners. Used in one event loop.

    Attributes:
        epoch: Names this process: numbers of another one mean nothing here.
    """

    def __init__(self) -> None:
        self.epoch = secrets.token_hex(4)
        self._logs: OrderedDict[str, _Log] = OrderedDict()

    def tell(self, run_id: str, kind: str, data: JSONObject) -> None:
        """Note an event and wake those who wait for it."""
        self._log(run_id).add(kind, data)
        if kind == "end":
            self._forget()

    def knows(self, run_id: str) -> bool:
        """Return whether anything was told of a run."""
        return run_id in self._logs

    async def follow(self, run_id: str, after: int = 0) -> AsyncGenerator[ProgressEvent, None]:
        """Yield the events of a run that come after number *after*, until it has ended."""
        log = self._log(run_id)
        while True:
            changed = log.changed
            for event in [each for each in log.events if each.number > after]:
                after = event.number
                yield event
            if log.ended and after >= log.last:
                return
            if changed is log.changed:
                await changed.wait()

    def _log(self, run_id: str) -> _Log:
        return self._logs.setdefault(run_id, _Log())

    def _forget(self) -> None:
        ended = [run_id for run_id, log in self._logs.items() if log.ended]
        for run_id in ended[: max(0, len(ended) - _KEPT_RUNS)]:
            del self._logs[run_id]


def _same_step(before: ProgressEvent, data: JSONObject) -> bool:
    return (
        before.kind == "progress"
        and before.data.get("state") == data.get("state") == "progress"
        and before.data.get("node") == data.get("node")
    )
