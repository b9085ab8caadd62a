"""Whether a server of a fleet is fit for work, and when to look at it again. Times are the caller's, in seconds."""

import re
from dataclasses import dataclass
from enum import StrEnum

from comfypipe.errors import OutOfMemory, RunError, RunFailed

_POISONED = re.compile(
    r"CUDA error|CUDA out of memory|device-side assert|illegal memory access|AcceleratorError|HIP error"
    r"|CUBLAS_STATUS|CUDNN_STATUS|NVML_SUCCESS",
    re.IGNORECASE,
)


class ServerState(StrEnum):
    """What a server of a fleet is there for."""

    UP = "up"
    DRAINING = "draining"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class FleetTiming:
    """
    How long a fleet waits for what, in seconds.

    Attributes:
        turn_s: How long models that no server holds wait at most, before one gives way to them.
        lost_s: How long a server must be silent for its runs to be lost, and tried elsewhere.
        hold_s: How long a prompt waits while none of the servers that could run it is up.
        first_probe_s: From quarantine to the first probe; each further one waits twice as long.
        longest_probe_s: No wait between probes is longer.
        probe_s: How long a probe may run.
        withdraw_s: How long a server may take to let go of a run that goes elsewhere.
    """

    turn_s: float = 120.0
    lost_s: float = 60.0
    hold_s: float = 60.0
    first_probe_s: float = 1.0
    longest_probe_s: float = 60.0
    probe_s: float = 30.0
    withdraw_s: float = 10.0


@dataclass(slots=True)
class Health:
    """
    What is known of one server.

    Attributes:
        reason: Why it is in quarantine.
        poisoned: Its memory is what the reason is about: others may fail there through no fault of their own.
        silent_since: When it was first found not to answer; None while it answers.
        answered: Whether it ever did.
    """

    state: ServerState = ServerState.UP
    reason: str | None = None
    poisoned: bool = False
    silent_since: float | None = None
    answered: bool = False
    failed_probes: int = 0
    drained: bool = False

    def quarantine(self, reason: str, *, poisoned: bool = False) -> bool:
        """Take it out of service; False when it was out already."""
        new = self.state is not ServerState.QUARANTINED
        self.state, self.reason, self.poisoned = ServerState.QUARANTINED, reason, poisoned or self.poisoned
        return new

    def silent(self, now: float) -> None:
        """Note that it does not answer."""
        self.silent_since = now if self.silent_since is None else self.silent_since

    def heard(self) -> None:
        """Note that it answers."""
        self.silent_since, self.answered = None, True

    def readmit(self) -> None:
        """Take it back into service, unless it was to be drained."""
        self.state = ServerState.DRAINING if self.drained else ServerState.UP
        self.reason, self.poisoned, self.failed_probes = None, False, 0
        self.heard()

    def drain(self) -> None:
        """Give it no new work."""
        self.drained = True
        if self.state is ServerState.UP:
            self.state = ServerState.DRAINING

    def next_probe_s(self, timing: FleetTiming) -> float:
        """Return how long to wait for the next probe, and count it as failed until it has passed."""
        delay_s = min(timing.longest_probe_s, timing.first_probe_s * 2.0 ** min(self.failed_probes, 32))
        self.failed_probes += 1
        return delay_s


def poison_of(error: RunError | None) -> str | None:
    """
    Return what in a run's failure makes the server unfit for the next one, in words; None when nothing does.

    After it ran out of memory, or its GPU's context broke, a server fails runs that have nothing wrong with them.
    """
    if isinstance(error, OutOfMemory):
        return "it ran out of memory"
    if isinstance(error, RunFailed) and _POISONED.search(f"{error.exception_type} {error.message}"):
        return f"its GPU failed: {error.message}"
    return None
