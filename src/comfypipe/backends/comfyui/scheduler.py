"""
Which waiting prompt goes to which server of a fleet: decided from values alone, so that it can be proved.

Three rules, in this order:

1. A server keeps to the models that it holds, and takes what needs them in the order of arrival, ``depth`` deep.
2. Only a server that has run empty takes up other models: those that no server holds, the largest pile first; else it
   helps with a pile that is held elsewhere, when it will work there for longer than it loads.
3. Nobody waits for ever: when models that no server holds have been waited for as long as a turn lasts, the server that
   has held its own for the longest time, and for a turn at least, gives way.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Models: TypeAlias = frozenset[str]
"""File names of the models that a prompt loads, or that a server has loaded last."""

_ANY = 1_000  # the rank of a server of which nobody said what it has: it comes after every named choice


@dataclass(frozen=True, slots=True)
class Waiting:
    """
    A prompt that no server has yet.

    Attributes:
        accelerator: Those that do, first choice first; empty when any does.
        barred: Servers that lack something that it needs.
    """

    key: str
    models: Models = frozenset()
    accelerator: tuple[str, ...] = ()
    barred: frozenset[str] = frozenset()
    waited_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ServerView:
    """
    A server that takes work.

    Attributes:
        accelerator: What it has; None when nobody said: then it takes every prompt, as the last choice.
        queued: Prompts that it has and that have not ended, the running one included.
        models: Those of the last prompt that went there and needed any.
        held_s: For how long it has kept to them.
    """

    name: str
    accelerator: str | None = None
    depth: int = 2
    queued: int = 0
    models: Models = frozenset()
    held_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Costs:
    """
    How long things take, as far as it is known.

    Attributes:
        load_s: Loading the models of a prompt, all of them.
        run_s: By models, one run that finds them loaded.
        guess_s: One run of models that are not among those.
    """

    load_s: float = 10.0
    run_s: Mapping[Models, float] = field(default_factory=dict)
    guess_s: float = 5.0

    def run_of(self, models: Models) -> float:
        """Return what one run takes that finds its models loaded."""
        return self.run_s.get(models, self.guess_s)

    def longest_of(self, kinds: Collection[Models]) -> float | None:
        """Return what one run of any of these takes at the most; None when that is not known of all of them."""
        known = [self.run_s[models] for models in kinds if models in self.run_s]
        return max(known) if known and len(known) == len(kinds) else None


@dataclass(frozen=True, slots=True)
class Assignment:
    """A prompt goes to a server."""

    key: str
    server: str


def decide(
    waiting: Sequence[Waiting], servers: Sequence[ServerView], costs: Costs | None = None, *, turn_s: float = 120.0
) -> tuple[Assignment, ...]:
    """
    Say what goes where now, in the order of sending; what is not named waits on.

    Args:
        waiting: In the order of arrival.
        servers: Only those that take work.
        turn_s: How long models that no server holds wait at most before one that has held its own as long gives way.
    """
    return tuple(_Decision(waiting, servers, costs or Costs(), turn_s).assignments())


def rank_of(accelerator: str | None, wanted: Sequence[str]) -> int | None:
    """Return which choice an accelerator is among those wanted, counted from 0; None when it will not do."""
    if not wanted:
        return 0
    if accelerator is None:
        return _ANY
    return wanted.index(accelerator) if accelerator in wanted else None


@dataclass(slots=True)
class _Pile:
    """Prompts that are alike for every decision, in the order of arrival."""

    models: Models
    accelerator: tuple[str, ...]
    barred: frozenset[str]
    items: list[Waiting] = field(default_factory=list)
    taken: int = 0
    ranks: dict[str, int] = field(default_factory=dict)

    @property
    def left(self) -> int:
        return len(self.items) - self.taken

    @property
    def waited_s(self) -> float:
        return self.items[self.taken].waited_s


@dataclass(slots=True)
class _Slots:
    """A server as it stands after what was assigned so far."""

    view: ServerView
    queued: int
    models: Models
    held_s: float
    for_pile: _Pile | None = None

    @property
    def name(self) -> str:
        return self.view.name

    @property
    def has_room(self) -> bool:
        return self.queued < self.view.depth

    def fits(self, pile: _Pile) -> bool:
        """Whether it may take the pile, and holds its models."""
        return self.name in pile.ranks and pile.models <= self.models

    def missing(self, pile: _Pile) -> float:
        """Return the part of the pile's models that it would have to load."""
        return len(pile.models - self.models) / max(1, len(pile.models))


class _Decision:
    def __init__(self, waiting: Sequence[Waiting], servers: Sequence[ServerView], costs: Costs, turn_s: float) -> None:
        self._costs = costs
        self._turn_s = turn_s
        self._slots = [_Slots(each, each.queued, each.models, each.held_s) for each in servers]
        self._piles = _piles(waiting, servers)

    def assignments(self) -> list[Assignment]:
        made: list[Assignment] = []
        self._give_way()
        while (best := self._best()) is not None:
            slots, pile = best
            made.append(Assignment(pile.items[pile.taken].key, slots.name))
            self._take(slots, pile)
        return made

    def _take(self, slots: _Slots, pile: _Pile) -> None:
        if not slots.fits(pile):
            slots.models, slots.held_s, slots.for_pile = pile.models, 0.0, None
        slots.queued += 1
        pile.taken += 1
        if not pile.left:
            self._piles.remove(pile)

    def _give_way(self) -> None:
        """Set servers aside for piles that have waited for a turn, and whose models none holds: they run empty."""
        overdue = [pile for pile in self._piles if pile.waited_s >= self._turn_s and not self._holders(pile)]
        for pile in sorted(overdue, key=lambda each: -each.waited_s):
            able = [
                each
                for each in self._slots
                if each.name in pile.ranks and each.for_pile is None and each.held_s >= self._turn_s
            ]
            if able:
                max(able, key=lambda each: each.held_s).for_pile = pile

    def _best(self) -> tuple[_Slots, _Pile] | None:
        best: tuple[tuple[float, ...], _Slots, _Pile] | None = None
        for slots in self._slots:
            if not slots.has_room:
                continue
            for pile in self._offered(slots):
                cost = self._cost(slots, pile)
                if best is None or cost < best[0]:
                    best = cost, slots, pile
        return best[1:] if best else None

    def _offered(self, slots: _Slots) -> list[_Pile]:
        """Return what a server with room may take."""
        if slots.for_pile is not None:
            if slots.for_pile.left and not self._holders(slots.for_pile):
                return [slots.for_pile] if not slots.queued else []
            slots.for_pile = None
        own = [pile for pile in self._piles if slots.fits(pile)]
        if own or slots.queued:  # loading takes seconds, so it is decided at the last moment, when everything has come
            return own
        return [pile for pile in self._piles if slots.name in pile.ranks and self._is_worth_loading(slots, pile)]

    def _is_worth_loading(self, slots: _Slots, pile: _Pile) -> bool:
        holders = self._holders(pile)
        if not holders:
            return True
        load_s = self._costs.load_s * slots.missing(pile)
        return self._shared_s(pile, holders, load_s) >= 2 * load_s

    def _shared_s(self, pile: _Pile, holders: Sequence[_Slots], load_s: float) -> float:
        """Return when the pile is worked off with one more server, its loading included."""
        queued = pile.left + sum(each.queued for each in holders)
        return (queued * self._costs.run_of(pile.models) + load_s) / (len(holders) + 1)

    def _holders(self, pile: _Pile) -> list[_Slots]:
        return [each for each in self._slots if each.fits(pile)]

    def _cost(self, slots: _Slots, pile: _Pile) -> tuple[float, ...]:
        """Order what could be done: the least comes first."""
        overdue = pile.waited_s >= self._turn_s
        rank = 0 if overdue else pile.ranks[slots.name]  # a choice is worth some waiting, and no more than that
        if slots.fits(pile):
            return slots.queued, 0, rank, 0, -pile.waited_s
        holders = self._holders(pile)
        size = self._shared_s(pile, holders, 0.0)
        turn = (0.0, -pile.waited_s) if overdue else (1.0, -size)
        return slots.queued, 1 if not holders else 2, rank, slots.missing(pile), *turn


def _piles(waiting: Sequence[Waiting], servers: Sequence[ServerView]) -> list[_Pile]:
    piles: dict[tuple[Models, tuple[str, ...], frozenset[str]], _Pile] = {}
    for each in waiting:
        kind = each.models, each.accelerator, each.barred
        if kind not in piles:
            piles[kind] = _Pile(*kind)
        piles[kind].items.append(each)
    for pile in piles.values():
        pile.ranks = _ranks(pile, servers)
    return [pile for pile in piles.values() if pile.ranks]


def _ranks(pile: _Pile, servers: Sequence[ServerView]) -> dict[str, int]:
    """Return by server how far it is from the best choice that there is now."""
    able = {
        each.name: rank
        for each in servers
        if each.name not in pile.barred and (rank := rank_of(each.accelerator, pile.accelerator)) is not None
    }
    best = min(able.values(), default=0)
    return {name: rank - best for name, rank in able.items()}
