"""Who is next: every tenant in turn, whatever each has waiting."""

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """What waits, by tenant: first in, first out within a tenant, and the tenants in turn."""

    def __init__(self) -> None:
        self._lanes: OrderedDict[str, deque[T]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def put(self, tenant: str, item: T) -> None:
        """Add an item at the end of its tenant's lane."""
        self._lanes.setdefault(tenant, deque()).append(item)
        self._length += 1

    def take(self) -> T | None:
        """Return the next item; the tenant whose it was then waits for all others. None when nothing waits."""
        if not self._lanes:
            return None
        tenant, lane = self._lanes.popitem(last=False)
        item = lane.popleft()
        if lane:
            self._lanes[tenant] = lane
        self._length -= 1
        return item

    def remove(self, tenant: str, is_it: Callable[[T], bool]) -> T | None:
        """Take an item out of the queue; None when it does not wait."""
        lane = self._lanes.get(tenant, deque())
        found = next((each for each in lane if is_it(each)), None)
        if found is not None:
            lane.remove(found)
            self._length -= 1
            if not lane:
                del self._lanes[tenant]
        return found
