"""
Which event is attempted next, so that receivers which never answer do not hold up those which do.

Events wait in lanes, one for each tenant and origin. Lanes take turns. Each may have so many attempts at once as it has
earned: a receiver that answers gets more, one that does not gets fewer, down to two. Of one run, one event at a time is
attempted, so that a receiver hears of the start before it hears of the end.
"""

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urlsplit

from comfypipe.service.webhooks.outbox import Event

Lane: TypeAlias = tuple[str, str]
"""A tenant, and the origin of a URL."""

_FIRST, _FEWEST, _MOST = 16, 2, 64
"""How many attempts a lane has at once: to begin with, at least, at most."""

_STEP = 4
_REMEMBERED_LANES = 4096


@dataclass(slots=True)
class _LaneState:
    waiting: deque[Event] = field(default_factory=deque)
    running: int = 0
    allowed: int = _FIRST

    @property
    def open(self) -> bool:
        return bool(self.waiting) and self.running < self.allowed


def lane_of(event: Event) -> Lane:
    """Return the lane that an event waits in."""
    parts = urlsplit(event.url)
    return event.tenant, f"{parts.scheme}://{parts.netloc}".lower()


class DeliveryQueue:
    """
    Events whose time has come, and how many of them are under way.

    Args:
        at_once: Attempts under way together, of all lanes; a tenant gets three quarters of them at most.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._for_a_tenant = max(1, at_once * 3 // 4)
        self._running = 0
        self._lanes: OrderedDict[Lane, _LaneState] = OrderedDict()
        self._open: OrderedDict[Lane, None] = OrderedDict()
        self._tenants: Counter[str] = Counter()
        self._held: dict[str, deque[Event]] = {}

    def put(self, event: Event) -> None:
        """Add an event at the end of its lane."""
        lane = lane_of(event)
        self._lanes.setdefault(lane, _LaneState()).waiting.append(event)
        self._sort_in(lane)

    def take(self) -> Event | None:
        """Return the event to be attempted now, which then counts as under way; None when none may be."""
        if self._running >= self._at_once:
            return None
        for lane in list(self._open):
            if self._tenants[lane[0]] < self._for_a_tenant and (event := self._take_from(lane)) is not None:
                return event
        return None

    def done(self, event: Event, *, answered: bool) -> None:
        """Note that an attempt is over; *answered*: whether there was a receiver that answered in time."""
        lane = lane_of(event)
        state = self._lanes[lane]
        state.running -= 1
        state.allowed = min(_MOST, state.allowed + _STEP) if answered else max(_FEWEST, state.allowed // 2)
        self._running -= 1
        self._tenants[lane[0]] -= 1
        for held in reversed(self._held.pop(event.run_id)):
            self._lanes.setdefault(lane_of(held), _LaneState()).waiting.appendleft(held)
            self._sort_in(lane_of(held))
        self._sort_in(lane)
        self._forget_lanes()

    def _take_from(self, lane: Lane) -> Event | None:
        state = self._lanes[lane]
        while state.waiting:
            event = state.waiting.popleft()
            if event.run_id not in self._held:
                self._held[event.run_id] = deque()
                state.running += 1
                self._running += 1
                self._tenants[lane[0]] += 1
                self._open.pop(lane)
                self._sort_in(lane)
                return event
            self._held[event.run_id].append(event)
        self._sort_in(lane)
        return None

    def _sort_in(self, lane: Lane) -> None:
        """Let a lane wait for its turn if it has one coming; where it stands in the line stays."""
        if self._lanes[lane].open:
            self._open.setdefault(lane)
        else:
            self._open.pop(lane, None)

    def _forget_lanes(self) -> None:
        """Forget the lanes that have had nothing to do for longest, and what they had earned."""
        if len(self._lanes) > 2 * _REMEMBERED_LANES:
            idle = [lane for lane, state in self._lanes.items() if not state.waiting and not state.running]
            for lane in idle[:_REMEMBERED_LANES]:
                del self._lanes[lane]
