"""Prompts that have ended, as clients ask for them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from comfypipe._types import JSONObject
from comfypipe.engine.outcome import Outcome
from comfypipe.engine.queue import QueueItem
from comfypipe.engine.server.encoding import encode

LIMIT = 10_000
"""How many ended prompts are remembered; the oldest are forgotten first."""


def queue_entry(item: QueueItem) -> list[Any]:
    """Return a prompt as ``/queue`` and ``/history`` show it: number, id, prompt, extra data, output nodes."""
    return [
        item.number,
        item.prompt_id,
        item.prepared.document,
        item.extra_data,
        list(item.prepared.validation.outputs),
    ]


def history_entry(item: QueueItem, outcome: Outcome, messages: list[list[Any]]) -> JSONObject:
    """Return the entry of a prompt that has ended."""
    return {
        "prompt": queue_entry(item),
        "outputs": dict(outcome.outputs),
        "status": {
            "status_str": "success" if outcome.succeeded else "error",
            "completed": outcome.succeeded,
            "messages": messages,
        },
        "meta": {
            node_id: {"node_id": node_id, "display_node": node_id, "parent_node": None, "real_node_id": node_id}
            for node_id in outcome.outputs
        },
    }


def broken_entry(item: QueueItem, messages: list[list[Any]]) -> JSONObject:
    """Return the entry of a prompt whose end the server itself did not survive in order; the log has more."""
    status = {"status_str": "error", "completed": False, "messages": messages}
    return {"prompt": queue_entry(item), "outputs": {}, "status": status, "meta": {}}


@dataclass(frozen=True, slots=True)
class Page:
    """Which entries are asked for: at most *max_items*, from *offset* on; the last ones where there is no offset."""

    max_items: int | None = None
    offset: int = -1


class History:
    """
    Ended prompts by id, in the order in which they ended. Safe to use from several threads.

    Entries are kept with their JSON, since clients that poll ask for the same ones again and again.
    """

    def __init__(self) -> None:
        self._entries: dict[str, tuple[JSONObject, bytes]] = {}
        self._lock = Lock()

    def add(self, prompt_id: str, entry: JSONObject) -> None:
        """
        Add an entry; one of the same id is replaced, as ComfyUI does.

        Raises:
            ValueError: A node showed what no JSON can hold.
        """
        encoded = encode(entry)
        with self._lock:
            self._entries.pop(prompt_id, None)
            self._entries[prompt_id] = (entry, encoded)
            while len(self._entries) > LIMIT:
                del self._entries[next(iter(self._entries))]

    def get(self, prompt_id: str) -> Mapping[str, JSONObject]:
        """Return ``{id: entry}``, or ``{}`` for an unknown id."""
        with self._lock:
            return {prompt_id: self._entries[prompt_id][0]} if prompt_id in self._entries else {}

    def all(self) -> Mapping[str, JSONObject]:
        """Return all entries by id."""
        with self._lock:
            return {prompt_id: entry for prompt_id, (entry, _) in self._entries.items()}

    def get_json(self, prompt_id: str) -> bytes:
        """Return what `get` gives, as JSON."""
        with self._lock:
            found = self._entries.get(prompt_id)
        return _joined([] if found is None else [(prompt_id, found[1])])

    def page_json(self, page: Page) -> bytes:
        """Return a page of entries by id, as JSON."""
        with self._lock:
            items = [(prompt_id, encoded) for prompt_id, (_, encoded) in self._entries.items()]
        start = page.offset
        if start < 0:
            start = 0 if page.max_items is None else len(items) - page.max_items
        start = max(start, 0)
        return _joined(items[start:] if page.max_items is None else items[start : start + page.max_items])

    def delete(self, prompt_ids: Iterable[str]) -> None:
        """Forget entries; unknown ids are passed over."""
        with self._lock:
            for prompt_id in prompt_ids:
                self._entries.pop(prompt_id, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()


def _joined(items: Iterable[tuple[str, bytes]]) -> bytes:
    return b"{" + b",".join(encode(prompt_id) + b":" + entry for prompt_id, entry in items) + b"}"
