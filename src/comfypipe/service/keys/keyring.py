"""Who a key belongs to, as the database says, remembered for a moment."""

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable

from comfypipe.service.keys.format import read_key
from comfypipe.service.keys.records import KeyRecord, find
from comfypipe.service.principal import Principal
from comfypipe.service.times import now_ms
from comfypipe.store.worker import DatabaseWorker

REMEMBERED_S = 1.0
"""How long a key that was revoked from another process may go on being taken."""

_REMEMBERED_KEYS = 4096


class KeyRing:
    """
    Finds out who a key belongs to.

    A client that polls would ask the database as often again as it asks us, and wait behind whoever writes; so what
    was found is remembered for `REMEMBERED_S`. Keys that do not exist are not remembered: anybody can make those up.

    Args:
        worker: The service's database.
        clock: Seconds, for how long something is remembered.
    """

    def __init__(self, worker: DatabaseWorker, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._worker = worker
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, KeyRecord]] = OrderedDict()

    async def identify(self, text: str) -> Principal | None:
        """Return whose key *text* is; None for what is no key, or one that is unknown, expired or revoked."""
        key = read_key(text)
        if key is None:  # mistyped, or made up: no look into the database
            return None
        record = await self._record(key.id)
        if record is None or not hmac.compare_digest(record.sha256, key.sha256):
            return None
        if record.state(now_ms()) != "active":
            return None
        return Principal(record.tenant, record.id, record.scopes)

    async def _record(self, key_id: str) -> KeyRecord | None:
        known = self._known.get(key_id)
        if known is not None and self._clock() - known[0] < REMEMBERED_S:
            return known[1]
        asked = self._clock()
        record = await self._worker.read(lambda connection: find(connection, key_id))
        if record is None:
            self._known.pop(key_id, None)
            return None
        self._known[key_id] = (asked, record)
        self._known.move_to_end(key_id)
        if len(self._known) > _REMEMBERED_KEYS:
            self._known.popitem(last=False)
        return record
