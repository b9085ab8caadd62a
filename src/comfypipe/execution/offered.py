"""What backends offer, asked once, and once more before anything is refused because of it."""

import time

from comfypipe.execution.context import Execution
from comfypipe.prompt.object_info import ObjectInfo

_PAUSE_S = 5.0
"""A batch in which nothing fits must not ask for each row."""


class Offered:
    """What the backends of a project offer. What passes against it is looked at by the backend itself later on."""

    def __init__(self) -> None:
        self._known: dict[str, ObjectInfo | None] = {}
        self._asked: dict[str, float] = {}

    async def get(self, execution: Execution) -> ObjectInfo | None:
        """
        Return what the backend of *execution* offers, as far as is known; None when it does not tell.

        Raises:
            BackendError: It cannot be asked.
        """
        url = execution.backend
        if url not in self._known:
            async with execution.same.hold(f"offered {url}"):
                if url not in self._known:
                    self._known[url] = await execution.backends.get(url).object_info()
        return self._known[url]

    async def news(self, execution: Execution, seen: ObjectInfo | None) -> ObjectInfo | None:
        """
        Return what the backend offers now, when that is something else than was *seen*; None when it is the same.

        Raises:
            BackendError: It cannot be asked.
        """
        if seen is None:
            return None
        url = execution.backend
        async with execution.same.hold(f"offered {url}"):
            if time.monotonic() - self._asked.get(url, -_PAUSE_S) >= _PAUSE_S:
                self._known[url] = await execution.backends.get(url).object_info(fresh=True)
                self._asked[url] = time.monotonic()
        known = self._known[url]
        return None if known is None or known is seen or known.to_json() == seen.to_json() else known
