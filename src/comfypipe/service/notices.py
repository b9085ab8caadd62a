"""What receivers of webhooks are told: the run object, noted in the transaction that changes the run."""

from collections.abc import Callable
from typing import Literal

from comfypipe.jsontext import to_text
from comfypipe.service.links import Links
from comfypipe.service.rows import RunRow
from comfypipe.service.webhooks import outbox
from comfypipe.service.wire import run_object
from comfypipe.store.connection import Connection

RunEvent = Literal["run.started", "run.completed", "run.failed"]


class Notices:
    """
    Notes what is to be sent.

    Args:
        links: Makes the URLs of outputs.
        public_url: What the service is called from outside; None for what the run's client called it.
        wake: Called when there is something to send.
    """

    def __init__(self, links: Links, public_url: str | None, wake: Callable[[], None]) -> None:
        self._links = links
        self._public_url = public_url
        self.wake = wake

    def add(self, connection: Connection, run: RunRow, event: RunEvent) -> None:
        """Note that the receiver of *run*, where it has one, is to be told that it is as it is now."""
        if run.webhook is None:
            return
        body = to_text(run_object(run, self._links, self._public_url or run.base_url)).encode()
        outbox.enqueue(connection, run.tenant, run.id, event, run.webhook, body)
