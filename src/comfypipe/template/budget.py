"""
Keeping to the limits, in process.

A thread cannot be stopped from outside while one operation of Python runs, so no operation may be long: everything that
a template can make a value with (operators, literals, filters, methods, calls) passes here, and a value that would be
too large is refused before or as it is made. `Budget.keep` therefore holds for every value in a template. Between
operations, and at every turn of a loop, the clock is read.
"""

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from contextvars import ContextVar
from time import monotonic
from typing import Any

from jinja2.runtime import LoopContext

from comfypipe.errors import TemplateError, TemplateTooExpensive
from comfypipe.template.fragment import Fragment
from comfypipe.template.limits import Limits

MAX_DIGITS_BITS = 4096
"""Larger integers are refused: their operations and their text take ever longer."""

MAX_NESTING = 100
"""Deeper values are refused: Python compares and hashes by recursion."""

MAX_RANGE = 100_000

MADE_IN_ALL = 16
"""How many values of the largest size a rendering may make, so that keeping all of them fills no memory."""

_ITEM = 16  # a place in a list, in characters
_PLAIN = (int, float, bool, type(None))
_LAZY = (Iterator, KeysView, ValuesView, ItemsView)


class Budget:
    """
    What is left of the limits, for one rendering.

    Attributes:
        kept: Where parts of the rendering keep what they need once in it (imported modules, resolved names).
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.kept: dict[object, Any] = {}
        self._deadline = monotonic() + limits.time_s
        self._left = limits.size
        self._made = 0
        self._depth = 0

    def tick(self) -> None:
        """
        Read the clock.

        Raises:
            TemplateTooExpensive: The time is over.
        """
        if monotonic() > self._deadline:
            raise TemplateTooExpensive(f"rendering took longer than {self.limits.time_s:g} s", hint=_HINT)

    def spend(self, size: int) -> None:
        """Count *size* characters as written, and read the clock."""
        self._left -= size
        if self._left < 0:
            raise TemplateTooExpensive(f"rendering writes or loops too much: limit {self.limits.size}", hint=_HINT)
        if monotonic() > self._deadline:
            self.tick()

    def fits(self, size: int) -> None:
        """Refuse to make a value of *size*."""
        if size > self.limits.size:
            raise TemplateTooExpensive(f"a value would be larger than {self.limits.size} characters", hint=_HINT)

    def enter(self) -> None:
        """Go one level deeper; every `enter` has its `leave`."""
        self._depth += 1
        if self._depth > self.limits.depth:
            raise TemplateTooExpensive(
                f"macros or includes are nested more than {self.limits.depth} deep", hint="does one call itself?"
            )

    def leave(self) -> None:
        """Come back up."""
        self._depth -= 1

    def keep(self, value: Any) -> Any:
        """Return *value* if it may exist; what is lazy is worked out, so that nothing is left to happen later."""
        kind = type(value)
        if kind is int:
            _digits(value)
        elif kind is str:
            self._make(len(value))
        elif kind is Fragment:
            self._make(value.size)
        elif kind not in _PLAIN:
            if isinstance(value, _LAZY) and not isinstance(value, LoopContext):
                value = self._worked_out(value)
            self._make(self.weigh(value))
        return value

    def _make(self, size: int) -> None:
        # What is in variables and namespaces is not weighed together; what was ever made is more than that.
        self.fits(size)
        self._made += size
        if self._made > MADE_IN_ALL * self.limits.size:
            raise TemplateTooExpensive(f"all values together exceed {MADE_IN_ALL * self.limits.size} characters")

    def weigh(self, value: Any, *, strict: bool = False) -> int:
        """
        Return the size of *value*, everything in it counted as often as it occurs.

        Args:
            strict: Refuse what JSON has no form for.

        Raises:
            TemplateTooExpensive: It is larger than a value may be, or nested too deeply.
        """
        total, level, depth = 0, [value], 0
        while level:
            depth += 1
            if depth > MAX_NESTING:
                raise TemplateTooExpensive(f"a value is nested more than {MAX_NESTING} deep")
            below: list[Any] = []
            for each in level:
                kind = type(each)
                if kind is str:
                    total += len(each) + _ITEM
                elif kind in _PLAIN and kind is not int:
                    total += _ITEM
                else:
                    total += _own_size(each, below, strict)
            self.fits(total)
            level = below
        return total

    def _worked_out(self, lazy: Any) -> list[Any]:
        made: list[Any] = []
        total = 0
        for each in lazy:
            self.tick()
            total += _ITEM + self.weigh(each)
            self.fits(total)
            made.append(each)
        return made


_HINT = "is there a loop that does not end, or a value that grows in it?"

CURRENT: ContextVar[Budget] = ContextVar("comfypipe_template_budget")


def current() -> Budget:
    """Return the budget of the rendering that runs in this thread or task."""
    return CURRENT.get()


class Spending:
    """A ``with`` block in which *budget* is the current one."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def __enter__(self) -> Budget:
        self._token = CURRENT.set(self._budget)
        return self._budget

    def __exit__(self, *_: object) -> None:
        CURRENT.reset(self._token)


def _own_size(value: Any, below: list[Any], strict: bool) -> int:
    """Return the size of *value* without what it holds; that is added to *below*."""
    if isinstance(value, int):
        _digits(value)
        return _ITEM
    if isinstance(value, str):
        return len(value) + _ITEM
    if isinstance(value, dict):
        below.extend(value)
        below.extend(value.values())
        return 2 * _ITEM * len(value)
    if isinstance(value, list | tuple):
        below.extend(value)
        return _ITEM * len(value)
    if isinstance(value, Fragment):
        return value.size
    if isinstance(value, range):
        return _ITEM * len(value)
    if strict and not isinstance(value, _PLAIN):
        raise TemplateError(f"a value of type {type(value).__name__} has no form in JSON")
    return _ITEM


def _digits(value: int) -> None:
    if value.bit_length() > MAX_DIGITS_BITS:
        raise TemplateTooExpensive(f"a number has more than {MAX_DIGITS_BITS} bits")
