"""Which API answers: ComfyICU's plain one, or our own service with what it adds."""

import asyncio
from dataclasses import dataclass

import httpx

from comfypipe._types import JSON
from comfypipe.backends.comfyicu.accelerators import COMFYICU
from comfypipe.backends.comfyicu.api import RunsApi


@dataclass(frozen=True, slots=True)
class Offer:
    """
    What an API can do beyond ComfyICU's documentation.

    Attributes:
        ours: It is a service of comfypipe's own: idempotency keys, cancelling, events and uploads.
        accelerators: Those that runs may ask for.
    """

    ours: bool = False
    accelerators: tuple[str, ...] = COMFYICU


class Offering:
    """Finds out, once, what the API offers."""

    def __init__(self, api: RunsApi, *, plain: bool) -> None:
        self._api = api
        self._known = Offer() if plain else None
        self._asking = asyncio.Lock()

    async def get(self) -> Offer:
        """
        Return what there is.

        Raises:
            BackendUnavailable: The API cannot be reached.
        """
        async with self._asking:
            if self._known is None:
                reply = await self._api.ask("/features")
                self._known = read_offer(reply.status, reply.body)
            return self._known


def read_offer(status: int, body: JSON) -> Offer:
    """Read the answer to the question which API this is: only our own service knows the question."""
    if status != httpx.codes.OK or not isinstance(body, dict) or body.get("service") != "comfypipe":
        return Offer()
    named = body.get("accelerators")
    accelerators = tuple(each for each in named if isinstance(each, str)) if isinstance(named, list) else COMFYICU
    return Offer(ours=True, accelerators=accelerators)
