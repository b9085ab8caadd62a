"""The line of a fleet: prompts wait here, not on servers, until one of them has room."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from comfypipe.backends.base import Submission
from comfypipe.backends.comfyui.costs import LearnedCosts
from comfypipe.backends.comfyui.health import FleetTiming, ServerState
from comfypipe.backends.comfyui.member import Member
from comfypipe.backends.comfyui.needs import Needs
from comfypipe.backends.comfyui.scheduler import Waiting, decide, rank_of
from comfypipe.errors import BackendError, BackendRejected, BackendUnavailable, ComfypipeError


@dataclass(slots=True, eq=False)
class Item:
    """
    A submission that waits.

    Attributes:
        arrived: By the event loop's clock; one that comes back keeps its place in the line.
        suspect: The server that may have it already, as its reply was lost: no other one gets it while that one is up.
        failures: How often a server could not take it.
        stuck_since: Since when none of the servers that could run it is up.
    """

    submission: Submission
    needs: Needs
    arrived: float
    suspect: Member | None = None
    failures: list[BackendError] = field(default_factory=list)
    stuck_since: float | None = None
    place: asyncio.Future[tuple[Member, bool]] = field(init=False)


class Dispatcher:
    """
    Gives the prompts in the line to servers as they get room.

    Args:
        impossible: Makes the error for a prompt that no server has everything for.
    """

    def __init__(
        self,
        members: Sequence[Member],
        timing: FleetTiming,
        costs: LearnedCosts,
        impossible: Callable[[Item], ComfypipeError],
    ) -> None:
        self._members = members
        self._timing = timing
        self._costs = costs
        self._impossible = impossible
        self._line: list[Item] = []
        self._soon: asyncio.Handle | None = None
        self._later: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many prompts wait."""
        return len(self._line)

    async def place(self, item: Item) -> tuple[Member, bool]:
        """
        Wait until a server has room for it, which is then kept for it; True with it when models have to be loaded.

        Raises:
            PromptInvalid: No server has what it needs.
            BackendRejected: No server has an accelerator that it wants.
            BackendUnavailable: None of those that could run it has been up for long.
        """
        item.place = asyncio.get_running_loop().create_future()
        self._line.append(item)
        self._line.sort(key=lambda each: each.arrived)
        self.wake()
        try:
            return await item.place
        except asyncio.CancelledError:
            self._line = [each for each in self._line if each is not item]
            if item.place.done() and not item.place.cancelled() and item.place.exception() is None:
                item.place.result()[0].posting -= 1
                self.wake()
            raise

    def wake(self) -> None:
        """Look soon what can be given out; what comes at the same time is looked at together."""
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self._give_out)

    def close(self) -> None:
        """Send everybody away."""
        for handle in (self._soon, self._later):
            if handle is not None:
                handle.cancel()
        line, self._line = self._line, []
        for item in line:
            if not item.place.done():
                item.place.set_exception(BackendUnavailable("the fleet is closed", hint="open the backend again"))

    def _give_out(self) -> None:
        self._soon = None
        now = asyncio.get_running_loop().time()
        options: dict[object, _Options] = {}
        able: dict[str, Item] = {}
        waiting: list[Waiting] = []
        for item in self._line:
            if item.place.done():
                continue
            kind = item.needs, item.submission.accelerator, item.suspect
            if kind not in options:
                options[kind] = _options(self._members, item)
            if self._can_wait(item, options[kind], now):
                able[item.submission.prompt_id] = item
                waiting.append(_seen(item, options[kind], now))
        self._assign(able, waiting, now)
        self._line = [item for item in self._line if not item.place.done()]
        self._look_again_later()

    def _assign(self, able: Mapping[str, Item], waiting: Sequence[Waiting], now: float) -> None:
        costs = self._costs.costs()
        longest_s = costs.longest_of({each.models for each in waiting})
        views = [each.view(now, longest_s) for each in self._members if each.up]
        if not any(each.queued < each.depth for each in views):
            return
        servers = {each.name: each for each in self._members}
        for each in decide(waiting, views, costs, turn_s=self._timing.turn_s):
            item, member = able[each.key], servers[each.server]
            item.place.set_result((member, member.take(item.needs.models, now)))

    def _can_wait(self, item: Item, options: "_Options", now: float) -> bool:
        """Whether a server could take it now or soon; if not, whoever waits is told."""
        if not options.having:
            item.place.set_exception(_no_accelerator(item.submission.accelerator, self._members))
        elif not options.able:
            item.place.set_exception(self._impossible(item))
        elif any(each.up for each in options.able):
            item.stuck_since = None
            return True
        elif self._is_hopeless(item, options.able, now):
            item.place.set_exception(nobody_up(options.able))
        return False

    def _is_hopeless(self, item: Item, able: Sequence[Member], now: float) -> bool:
        item.stuck_since = now if item.stuck_since is None else item.stuck_since
        if not any(each.health.answered for each in able):
            return True  # none ever answered: a wrong address rather than a bad moment
        return now - item.stuck_since >= self._timing.hold_s

    def _look_again_later(self) -> None:
        """Time alone can change something: turns end, and patience does."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self._line:
            delay_s = min(self._timing.turn_s, self._timing.hold_s) / 4
            self._later = asyncio.get_running_loop().call_later(delay_s, self.wake)


@dataclass(frozen=True, slots=True)
class _Options:
    """
    Where prompts of one kind could go.

    Attributes:
        having: Servers with an accelerator that it wants.
        able: Those of them that lack nothing that it needs.
        barred: Names of those that must not have it now.
    """

    having: tuple[Member, ...]
    able: tuple[Member, ...]
    barred: frozenset[str]


def _options(members: Sequence[Member], item: Item) -> _Options:
    wanted, suspect = item.submission.accelerator, item.suspect
    having = tuple(each for each in members if rank_of(each.server.accelerator, wanted) is not None)
    able = tuple(each for each in having if not each.missing(item.needs))
    now_able = (suspect,) if suspect is not None and suspect.up else able
    return _Options(having, able, frozenset(each.name for each in members if each not in now_able))


def _seen(item: Item, options: _Options, now: float) -> Waiting:
    accelerator, waited_s = item.submission.accelerator, now - item.arrived
    return Waiting(item.submission.prompt_id, item.needs.models, accelerator, options.barred, waited_s)


def nobody_up(members: Sequence[Member]) -> BackendUnavailable:
    """Return the error that says why none of these servers takes work."""
    states = [f"{each.name}: {_why(each)}" for each in members]
    return BackendUnavailable(
        "no server of the fleet that could run this is up:\n  " + "\n  ".join(states),
        hint="they are tried again by themselves; `comfypipe doctor` shows how they are",
    )


def _why(member: Member) -> str:
    if member.health.state is ServerState.DRAINING:
        return "is drained: it takes no new work"
    return member.health.reason or "is out of service"


def _no_accelerator(wanted: Sequence[str], members: Sequence[Member]) -> BackendRejected:
    there = sorted({each.server.accelerator for each in members if each.server.accelerator is not None})
    return BackendRejected(
        f"no server of the fleet has {' or '.join(wanted)}",
        hint=f"they have {', '.join(there)}: name one of these under accelerator in the manifest",
    )
