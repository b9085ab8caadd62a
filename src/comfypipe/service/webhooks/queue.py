"""
Which event is attempted next, so that receivers which never answer do not hold up those which do.

Events wait in lanes, one for each tenant and origin. Lanes take turns. All attempts are open to lanes where the last
one was over soon, however it ended; three quarters to lanes that are new; half to lanes where one takes long, as it
does with receivers that are silent: those get more at once instead, so that the next event need not wait for it.
First attempts go before later ones, and those that take long leave room for them. Of one run, one event at a time is
attempted, so that a receiver hears of the start before it hears of the end.
"""

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias
from urllib.parse import urlsplit

from comfypipe.service.webhooks.outbox import Event

Lane: TypeAlias = tuple[str, str]
"""A tenant, and the origin of a URL."""

LANE_MOST, SLOW_LANE_MOST = 16, 96
"""How many attempts a lane has at once; less than its connections, of which each costs a little at every request."""

_REMEMBERED_LANES = 4096


class Trust(IntEnum):
    """How much of all attempts something may have: by what is known of its receiver, from the last attempt there."""

    SLOW_AGAIN = 0
    SLOW = 1
    NEW = 2
    PROMPT = 3


@dataclass(slots=True)
class _LaneState:
    first: deque[Event] = field(default_factory=deque)
    again: deque[Event] = field(default_factory=deque)
    running: int = 0
    trust: Trust = Trust.NEW

    def trust_in(self, event: Event) -> Trust:
        return Trust.SLOW_AGAIN if self.trust is Trust.SLOW and event.tries else self.trust

    @property
    def next_trust(self) -> Trust:
        return self.trust_in((self.first or self.again)[0])

    def line(self, event: Event) -> deque[Event]:
        return self.again if event.tries else self.first

    @property
    def waiting(self) -> bool:
        return bool(self.first or self.again)

    @property
    def open(self) -> bool:
        return self.waiting and self.running < (SLOW_LANE_MOST if self.trust is Trust.SLOW else LANE_MOST)

    def next(self) -> Event:
        return (self.first or self.again).popleft()


def lane_of(tenant: str, url: str) -> Lane:
    """Return the lane that a tenant's events for *url* wait in."""
    parts = urlsplit(url)
    return tenant, f"{parts.scheme}://{parts.netloc}".lower()


class DeliveryQueue:
    """
    Events whose time has come, and how many of them are under way.

    Args:
        at_once: Attempts under way together, of all lanes; a tenant gets five eighths of them at most.
    """

    def __init__(self, at_once: int) -> None:
        sixteenths = {Trust.SLOW_AGAIN: 1, Trust.SLOW: 8, Trust.NEW: 12, Trust.PROMPT: 16}
        self._most = {trust: _share(at_once, each) for trust, each in sixteenths.items()}
        self._for_a_tenant = _share(at_once, 10)  # more than slow lanes get: its own prompt ones have room beside them
        self._lanes: OrderedDict[Lane, _LaneState] = OrderedDict()
        self._open: OrderedDict[Lane, None] = OrderedDict()
        self._tenants: Counter[str] = Counter()
        self._trusted_with: dict[str, Trust] = {}
        self._running: Counter[Trust] = Counter()
        self._held: dict[str, deque[Event]] = {}

    def recall(self, lane: Lane, *, prompt: bool) -> None:
        """Note how the last attempt of a lane went that an earlier process made."""
        self._lanes.setdefault(lane, _LaneState()).trust = Trust.PROMPT if prompt else Trust.SLOW

    def put(self, event: Event) -> None:
        """Add an event at the end of its lane."""
        lane = lane_of(event.tenant, event.url)
        state = self._lanes.setdefault(lane, _LaneState())
        state.line(event).append(event)
        self._sort_in(lane, state)

    def take(self) -> Event | None:
        """Return the event to be attempted now, which then counts as under way; None when none may be."""
        free = {trust: self._is_free(trust) for trust in Trust}
        if not free[Trust.PROMPT]:
            return None
        for lane in list(self._open):
            allowed = free[self._lanes[lane].next_trust] and self._tenants[lane[0]] < self._for_a_tenant
            if allowed and (event := self._take_from(lane)) is not None:
                return event
        return None

    def slow(self, event: Event) -> None:
        """Note that an attempt that is under way takes long."""
        lane = lane_of(event.tenant, event.url)
        state = self._lanes[lane]
        state.trust = Trust.SLOW
        self._running[self._trusted_with[event.id]] -= 1
        self._trust(event, state)
        self._sort_in(lane, state)

    def done(self, event: Event, *, prompt: bool) -> None:
        """Note that an attempt is over; *prompt*: whether that was soon."""
        lane = lane_of(event.tenant, event.url)
        state = self._lanes[lane]
        state.running -= 1
        state.trust = Trust.PROMPT if prompt else Trust.SLOW
        self._running[self._trusted_with.pop(event.id)] -= 1
        self._tenants[lane[0]] -= 1
        for held in reversed(self._held.pop(event.run_id)):
            other = self._lanes.setdefault(lane_of(held.tenant, held.url), _LaneState())
            other.line(held).appendleft(held)
            self._sort_in(lane_of(held.tenant, held.url), other)
        self._sort_in(lane, state)
        self._forget_lanes()

    def _trust(self, event: Event, state: _LaneState) -> None:
        self._trusted_with[event.id] = state.trust_in(event)
        self._running[self._trusted_with[event.id]] += 1

    def _is_free(self, trust: Trust) -> bool:
        """Whether one more attempt may be made where so much is known: those who deserve less count, too."""
        return sum(self._running[each] for each in Trust if each <= trust) < self._most[trust]

    def _take_from(self, lane: Lane) -> Event | None:
        state = self._lanes[lane]
        while state.waiting:
            event = state.next()
            if event.run_id in self._held:
                self._held[event.run_id].append(event)
                continue
            self._held[event.run_id] = deque()
            self._trust(event, state)
            self._tenants[lane[0]] += 1
            state.running += 1
            del self._open[lane]
            self._sort_in(lane, state)
            return event
        self._sort_in(lane, state)
        return None

    def _sort_in(self, lane: Lane, state: _LaneState) -> None:
        """Let a lane wait for its turn if it has one coming; where it stands in the line stays."""
        if state.open:
            self._open.setdefault(lane)
        else:
            self._open.pop(lane, None)

    def _forget_lanes(self) -> None:
        """Forget the lanes that came first and have nothing to do, and what is known of them."""
        if len(self._lanes) > 2 * _REMEMBERED_LANES:
            idle = [lane for lane, state in self._lanes.items() if not state.waiting and not state.running]
            for lane in idle[:_REMEMBERED_LANES]:
                del self._lanes[lane]


def _share(of: int, sixteenths: int) -> int:
    return max(1, of * sixteenths // 16)
