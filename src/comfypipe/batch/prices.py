"""What runs cost: the price of a second by accelerator, from the project's settings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from comfypipe.backends.base import Backend
from comfypipe.store.batches import RowAttempt

DEFAULT = "default"
"""Name of the price of what is not named."""


@dataclass(frozen=True, slots=True)
class Prices:
    """
    Prices of a second of execution, in whatever currency the settings are.

    Attributes:
        by_accelerator: As ``[tool.comfypipe.prices]`` has them; ``default`` is that of all others.
        servers: By server, the accelerator that it has.
    """

    by_accelerator: Mapping[str, float] = field(default_factory=dict)
    servers: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.by_accelerator)

    def accelerator(self, attempt: RowAttempt) -> str | None:
        """Return the accelerator of an attempt: its server's, else the one that it asked for first."""
        on_server = self.servers.get(attempt.server or attempt.backend)
        return on_server or (attempt.accelerator[0] if attempt.accelerator else None)

    def cost(self, attempts: Iterable[RowAttempt]) -> float | None:
        """Return what attempts cost, as far as it is known; None where nothing has a price."""
        found = [cost for cost in map(self._cost, attempts) if cost is not None]
        return round(sum(found), 9) if found or self.by_accelerator else None

    def _cost(self, attempt: RowAttempt) -> float | None:
        name = self.accelerator(attempt)
        price = self.by_accelerator.get(name or DEFAULT, self.by_accelerator.get(DEFAULT))
        return price * attempt.execution_s if price is not None and attempt.execution_s is not None else None


def servers_of(backend: Backend) -> dict[str, str]:
    """Return by server the accelerator that a fleet's settings give it."""
    status = getattr(backend, "status", None)
    members = status() if callable(status) else ()
    return {each.name: each.accelerator for each in members if each.accelerator is not None}
