"""Our own files that a run was asked for with: what it needs must not be pruned before it."""

from collections.abc import Iterable, Iterator

from comfypipe._types import JSON, JSONObject
from comfypipe.service.links import FileLink, Links
from comfypipe.store.connection import Connection
from comfypipe.store.statements import update


def own_files(request: JSONObject, links: Links) -> frozenset[FileLink]:
    """
    Return the uploads, and the outputs of runs, that a request names by URL.

    Args:
        request: As a run's row keeps it.
    """
    texts = _texts([request.get("files"), request.get("inputs")])
    found = (links.read(text) for text in texts if "://" in text)
    return frozenset(each[0] for each in found if each is not None)


def note_use(connection: Connection, files: Iterable[FileLink], now_ms: int) -> None:
    """Store that a request named these, in the transaction that accepts it."""
    for each in files:
        table = "uploads" if each.kind == "uploads" else "runs"
        update(connection, table, {"id": each.owner}, {"used_ms": now_ms})


def _texts(value: JSON) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
