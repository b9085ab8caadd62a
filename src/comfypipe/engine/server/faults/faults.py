"""Which faults are to be played, and when."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import TypeAlias

from comfypipe._types import JSONObject
from comfypipe.diagnostics import did_you_mean
from comfypipe.engine.server.faults.executions import Executions
from comfypipe.engine.server.faults.kinds import KINDS, FaultKind
from comfypipe.errors import UsageError

Settings: TypeAlias = Mapping[str, str | int]

_COUNTED = ("first", "every", "nth")
_PLAIN = ("once", "always")


@dataclass(frozen=True, slots=True)
class When:
    """Which occasions a fault strikes: the *first* n, *every* n-th, or the *nth*."""

    word: str
    number: int

    @classmethod
    def parse(cls, text: str) -> "When":
        """
        Read ``once``, ``always``, ``first:N``, ``every:N`` or ``nth:N``.

        Raises:
            ValueError: It is none of these.
        """
        if text in _PLAIN:
            return cls("first" if text == "once" else "every", 1)
        word, _, number = text.partition(":")
        if word not in _COUNTED or not number.isdigit() or int(number) < 1:
            raise ValueError(text)
        return cls(word, int(number))

    def holds(self, count: int) -> bool:
        """Tell whether the *count*-th occasion, from 1, is one."""
        if self.word == "every":
            return count % self.number == 0
        return count <= self.number if self.word == "first" else count == self.number


class Fault:
    """
    A fault that was asked for, and how often it had occasion to strike.

    Args:
        match: Only prompts whose JSON has this text count.
    """

    def __init__(self, kind: FaultKind, when: When, settings: Settings, match: str = "") -> None:
        self.kind = kind
        self.settings = settings
        self.occasions = 0
        self.struck = 0
        self._when = when
        self._match = match

    @classmethod
    def parse(cls, spec: str) -> "Fault":
        """
        Read ``NAME[=SETTING,…]``: how often (see `When`), ``match:TEXT``, or one of the kind's settings ``key:value``.

        Raises:
            UsageError: There is no such fault or setting, or its value is none.
        """
        name, _, rest = spec.partition("=")
        kind = KINDS.get(name)
        if kind is None:
            similar = did_you_mean(name, KINDS)
            raise UsageError(f'there is no fault "{name}"', hint=similar or f"there are {', '.join(KINDS)}")
        when, match, settings = When.parse(kind.when), "", dict(kind.settings)
        for each in filter(None, rest.split(",")):
            key, _, value = each.partition(":")
            if key in settings:
                settings[key] = _typed(kind, key, value)
            elif key == "match":
                match = value
            else:
                when = _when(kind, each)
        return cls(kind, when, settings, match)

    def fits(self, text: str, path: str, classes: Collection[str]) -> bool:
        """Tell whether something is an occasion at all."""
        fitting = path.startswith(str(self.settings.get("path", "")))
        return fitting and self._match in text and (not self.settings.get("node") or self.settings["node"] in classes)

    def strikes(self) -> bool:
        """Count an occasion; tell whether the fault is to be played."""
        self.occasions += 1
        struck = self._when.holds(self.occasions)
        self.struck += struck
        return struck


class Faults:
    """
    The faults of one server, which the routes and the worker ask; safe to use from several threads.

    Args:
        specs: ``NAME[=SETTING,…]``, as `Fault.parse` reads them.

    Attributes:
        executions: What was really executed.
    """

    def __init__(self, specs: Iterable[str] = ()) -> None:
        self._faults = [Fault.parse(each) for each in specs]
        self._lock = Lock()
        self.executions = Executions()

    def add(self, *specs: str) -> None:
        """
        Play more faults from now on.

        Raises:
            UsageError: There is no such fault or setting; then none is added.
        """
        added = [Fault.parse(each) for each in specs]
        with self._lock:
            self._faults += added

    def clear(self) -> None:
        """Play none from now on. A server that is a zombie stays one until it is restarted."""
        with self._lock:
            self._faults.clear()

    def take(self, name: str, *, text: str = "", path: str = "/", classes: Collection[str] = ()) -> Settings | None:
        """
        Count an occasion for faults called *name*; return the settings of one that is to be played now, else None.

        Args:
            text: JSON of the prompt that it is about.
            path: Of the request.
            classes: Node classes of the prompt.
        """
        with self._lock:
            for fault in self._faults:
                if fault.kind.name == name and fault.fits(text, path, classes) and fault.strikes():
                    return fault.settings
        return None

    def settings(self, name: str) -> Settings | None:
        """Return the settings of the first fault called *name*, without counting."""
        with self._lock:
            return next((each.settings for each in self._faults if each.kind.name == name), None)

    def struck(self, name: str) -> int:
        """Return how often faults called *name* were played."""
        with self._lock:
            return sum(each.struck for each in self._faults if each.kind.name == name)

    def to_json(self) -> JSONObject:
        """Return what is played and was played."""
        with self._lock:
            shown = [
                {
                    "name": each.kind.name,
                    "settings": dict(each.settings),
                    "occasions": each.occasions,
                    "struck": each.struck,
                }
                for each in self._faults
            ]
        return {"faults": shown}


def _typed(kind: FaultKind, key: str, value: str) -> str | int:
    if isinstance(kind.settings[key], str):
        return value
    if not value.isdigit():
        raise UsageError(f'the fault "{kind.name}" takes a whole number for {key}, not "{value}"')
    return int(value)


def _when(kind: FaultKind, text: str) -> When:
    try:
        return When.parse(text)
    except ValueError:
        settings = ", ".join(f"{key}:…" for key in ("match", *kind.settings))
        raise UsageError(
            f'the fault "{kind.name}" has no setting "{text}"',
            hint=f"it takes once, always, first:N, every:N or nth:N, and {settings}",
        ) from None
