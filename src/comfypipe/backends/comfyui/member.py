"""A server of a fleet: what it is said to be, and what the fleet knows of it."""

import asyncio
import math
from dataclasses import dataclass, field

from comfypipe.backends.base import Backend
from comfypipe.backends.comfyui.following import FollowedRun
from comfypipe.backends.comfyui.health import Health, ServerState
from comfypipe.backends.comfyui.needs import Needs
from comfypipe.backends.comfyui.scheduler import Models, ServerView
from comfypipe.errors import UsageError
from comfypipe.prompt.object_info import ObjectInfo

_DEPTH = 2
"""How many prompts a server holds of which nobody says how many, and that take their time."""

_MOST_DEEP = 8
_AHEAD_S = 0.25  # it can take us so long, busy with others, to hear of an end and to send the next


@dataclass(frozen=True, slots=True)
class Server:
    """
    A server, as the project's settings describe it.

    Attributes:
        name: How the ledger and messages call it; its URL, mostly.
        accelerator: What it has, such as ``L4``; None when that is not said.
        depth: How many prompts it holds at once: one that runs, and those that are to start without a pause. None: two,
            and of prompts that are over in a moment as many as keep it busy for a quarter of a second.
    """

    backend: Backend
    name: str
    accelerator: str | None = None
    depth: int | None = None

    def __post_init__(self) -> None:
        if self.depth is not None and self.depth < 1:
            raise UsageError(f"depth of the server {self.name} is {self.depth}", hint="it takes 1 or more")

    def depth_for(self, run_s: float | None) -> int:
        """
        Return how many prompts it holds at once.

        Args:
            run_s: What one run takes; None when nobody knows yet.
        """
        if self.depth is not None:
            return self.depth
        return _DEPTH if not run_s else max(_DEPTH, min(_MOST_DEEP, math.ceil(_AHEAD_S / run_s)))


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """
    How a server of a fleet is.

    Attributes:
        reason: Why it takes no work.
        queued: Prompts of ours that it has.
        models: Those that it is thought to have loaded.
    """

    name: str
    state: ServerState
    accelerator: str | None
    depth: int
    queued: int
    models: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(slots=True, eq=False)
class Member:
    """
    A server at work in a fleet.

    Attributes:
        runs: What it has and what has not ended, by ``prompt_id``.
        posting: Prompts that are on their way to it.
        models: Of the last prompt that went there and needed any; *held_since* when it first did.
        abandoned: Runs that were given up here and that it may still have; they are cancelled when it is back.
        info: What it offers; None when it does not tell, or when *known* is not set.
        answers: Set while it is not known to be silent.
    """

    server: Server
    held_since: float
    health: Health = field(default_factory=Health)
    runs: dict[str, FollowedRun] = field(default_factory=dict)
    posting: int = 0
    models: Models = frozenset()
    last_end: float = 0.0
    abandoned: list[str] = field(default_factory=list)
    info: ObjectInfo | None = None
    known: bool = False
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    recovery: asyncio.Task[None] | None = None
    _missing: dict[Needs, tuple[str, ...]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name."""
        return self.server.name

    @property
    def backend(self) -> Backend:
        """What talks to it."""
        return self.server.backend

    @property
    def queued(self) -> int:
        """Return how many prompts of ours it has, those on their way included."""
        return len(self.runs) + self.posting

    @property
    def up(self) -> bool:
        """Whether it takes work."""
        return self.health.state is ServerState.UP

    def learn(self, info: ObjectInfo | None) -> None:
        """Take in what it offers."""
        self.info, self.known = info, True
        self._missing.clear()
        self.heard()

    def heard(self) -> None:
        """Note that it answers."""
        self.health.heard()
        self.answers.set()

    def silent(self, now: float) -> None:
        """Note that it does not answer."""
        self.health.silent(now)
        self.answers.clear()

    def missing(self, needs: Needs) -> tuple[str, ...]:
        """Return what it lacks of what a prompt needs, in words."""
        if self.info is None:
            return ()
        if needs not in self._missing:
            self._missing[needs] = needs.missing_from(self.info)
        return self._missing[needs]

    def take(self, models: Models, now: float) -> bool:
        """Note that a prompt goes there; True when it has to load models for it."""
        self.posting += 1
        if models <= self.models:
            return False
        self.models, self.held_since = models, now
        return True

    def forget_models(self, now: float) -> None:
        """Note that it was restarted."""
        self.models, self.held_since = frozenset(), now

    def view(self, now: float, run_s: float | None) -> ServerView:
        """
        Return what the scheduler sees of it.

        Args:
            run_s: What a run of what waits takes, at the most; None when nobody knows yet.
        """
        held_s, depth = now - self.held_since, self.server.depth_for(run_s)
        return ServerView(self.name, self.server.accelerator, depth, self.queued, self.models, held_s)

    def status(self) -> ServerStatus:
        """Return what it is doing."""
        models = tuple(sorted(self.models))
        depth = self.server.depth_for(None)
        described = (self.name, self.health.state, self.server.accelerator, depth, self.queued)
        return ServerStatus(*described, models, self.health.reason)
