"""Prompts that have ended, as clients ask for them."""

from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Any

from comfypipe._types import JSONObject
from comfypipe.engine.outcome import Outcome
from comfypipe.engine.queue import QueueItem

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


@dataclass(frozen=True, slots=True)
class Page:
    """Which entries are asked for: at most *max_items*, from *offset* on; the last ones where there is no offset."""

    max_items: int | None = None
    offset: int = -1


class History:
    """Ended prompts by id, in the order in which they ended. Safe to use from several threads."""

    def __init__(self) -> None:
        self._entries: dict[str, JSONObject] = {}
        self._lock = Lock()

    def add(self, prompt_id: str, entry: JSONObject) -> None:
        """Add an entry; one of the same id is replaced, as ComfyUI does."""
        with self._lock:
            self._entries.pop(prompt_id, None)
            self._entries[prompt_id] = entry
            while len(self._entries) > LIMIT:
                del self._entries[next(iter(self._entries))]

    def get(self, prompt_id: str) -> JSONObject:
        """Return ``{id: entry}``, or ``{}`` for an unknown id."""
        with self._lock:
            return {prompt_id: self._entries[prompt_id]} if prompt_id in self._entries else {}

    def page(self, page: Page) -> JSONObject:
        """Return entries by id."""
        with self._lock:
            items = list(self._entries.items())
        start = page.offset
        if start < 0:
            start = 0 if page.max_items is None else len(items) - page.max_items
        start = max(start, 0)
        return dict(items[start:] if page.max_items is None else items[start : start + page.max_items])

    def delete(self, prompt_ids: Iterable[str]) -> None:
        """Forget entries; unknown ids are passed over."""
        with self._lock:
            for prompt_id in prompt_ids:
                self._entries.pop(prompt_id, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
