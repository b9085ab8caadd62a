"""The stream of events of our own service: what happens to a run, as it happens."""

import json
from collections.abc import AsyncIterator

from comfypipe._types import JSON

_LONGEST_LINE = 1 << 20


async def read_events(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, JSON]]:
    """
    Yield name and data of each server-sent event; those whose data is no JSON are passed over.

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
    """
    name = "message"
    data: list[str] = []
    async for line in lines:
        if not line:
            try:
                if data:
                    yield name, json.loads("\n".join(data))
            except ValueError:
                pass
            name, data = "message", []
            continue
        field, _, value = line[:_LONGEST_LINE].partition(":")
        if field == "event":
            name = value.removeprefix(" ")
        elif field == "data":
            data.append(value.removeprefix(" "))
