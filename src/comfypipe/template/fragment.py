"""
What templates write: literal text and values, kept apart until the place of each is known.

Text of the template is trusted, values never are. A macro cannot know whether it is called inside a JSON string, so
what it wrote stays in parts, as a `Fragment`; only where that is finally written is each value escaped for its own
place. There is no type with which a value could pass itself off as text of the template.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import chain
from json import JSONEncoder
from json.encoder import encode_basestring
from typing import Any, TypeAlias

from jinja2.exceptions import UndefinedError
from jinja2.runtime import Undefined

from comfypipe.diagnostics import Source
from comfypipe.errors import TemplateError, TemplateUndefined
from comfypipe.template.position import OUTSIDE
from comfypipe.template.rendered import Piece, Place


class Hole:
    """
    A value that is to be written.

    Attributes:
        ways: Whether it stands inside a string (0, 1), for each way of entering the body that it belongs to.
        size: Characters, about.
    """

    __slots__ = ("place", "size", "value", "ways")

    def __init__(self, value: Any, ways: tuple[int, int], place: Place, size: int) -> None:
        self.value = value
        self.ways = ways
        self.place = place
        self.size = size


class Guard:
    """Stands at the beginning of a body that can be entered in one way only, and knows why not in the other."""

    __slots__ = ("entry", "place", "reason")

    size = 0

    def __init__(self, entry: int, reason: str, place: Place) -> None:
        self.entry = entry
        self.reason = reason
        self.place = place


Part: TypeAlias = Piece | Guard | Hole
"""What a body gives, one after the other: text of the template as it stands there, values, guards."""


class Fragment:
    """
    What a macro, a call block or an included file wrote.

    As a value (given to a filter, joined with ``~``) it is its text.

    Attributes:
        size: Characters, about, and a share for each part.
    """

    __slots__ = ("parts", "size")

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self.size = sum(PART_SIZE + (len(part[0]) if isinstance(part, tuple) else part.size) for part in parts)

    def __str__(self) -> str:
        return "".join(
            part[0] if isinstance(part, tuple) else plain_text(part.value)
            for part in self.parts
            if not isinstance(part, Guard)
        )

    def __eq__(self, other: object) -> bool:
        return str(self) == (str(other) if isinstance(other, Fragment) else other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __contains__(self, text: str) -> bool:
        return text in str(self)

    def __len__(self) -> int:
        return len(str(self))


class JSONText(str):
    """A value that a template turned into JSON itself (``tojson``): outside a string it is written as it is."""

    __slots__ = ()


PART_SIZE = 32  # what keeping one part takes, in characters, about


def gather(parts: Iterable[Part]) -> Any:
    """Join what a body wrote: Jinja's ``concat``. A body that is nothing but one call gives what the call gave."""
    made = list(parts)
    if len(made) == 1 and type(made[0]) not in (tuple, Hole, Guard):
        return made[0]
    return Fragment(made)


def plain_text(value: Any) -> str:
    """
    Return the text of a value, as it stands inside a string or is joined with other text.

    Numbers and booleans are spelled as in JSON.

    Raises:
        TemplateError: It has no text: null, a list, an object.
    """
    if type(value) is str:
        return value
    if isinstance(value, str | Fragment):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return json_text(value)
    if type(value) is Undefined:  # of an `if` without `else`
        return ""
    if isinstance(value, Undefined):
        str(value)  # raises what it has to say
    if value is None:
        raise TemplateError(
            "a null has no text", hint="give it a text: {{ value or '' }}, or leave it out with {% if %}"
        )
    if isinstance(value, list | tuple):
        raise TemplateError("a list has no text", hint="join it: {{ value|join(', ') }}")
    raise TemplateError(f"{_a_kind(value)} has no text")


def json_text(value: Any) -> str:
    """
    Return *value* as JSON. Characters stay as they are, control characters apart.

    Raises:
        TemplateError: JSON has no form for it: NaN, a macro that was not called, …
    """
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if kind is int:
        return int.__repr__(value)
    if kind is float and math.isfinite(value):
        return float.__repr__(value)
    if kind is JSONText:
        return str(value)
    if kind is Undefined:
        raise TemplateError("the expression has no value: its `if` has no `else`")
    try:
        return _ENCODER.encode(value)
    except ValueError as error:
        raise TemplateError("NaN and infinity are no JSON numbers") from error
    except TypeError as error:
        raise TemplateError(f"an object has a key that JSON has no form for: {error}") from error


def _encode_other(value: Any) -> Any:
    if isinstance(value, range):
        return list(value)
    if isinstance(value, Fragment | Undefined):
        return str(value)
    raise TemplateError(f"{_a_kind(value)} has no form in JSON")


_ENCODER = JSONEncoder(ensure_ascii=False, allow_nan=False, default=_encode_other)


class Writer:
    """
    Writes parts out, each value as its place demands.

    Attributes:
        pieces: What was written.
    """

    def __init__(self) -> None:
        self.pieces: list[Piece] = []

    def write(self, parts: Iterable[Part]) -> None:
        """Write all that a template gives, from its beginning."""
        rest = iter(parts)
        first = next(rest, None)
        if isinstance(first, Guard) and first.entry != OUTSIDE:
            raise TemplateError(first.reason, source=Source(*first.place))
        self._write(rest if first is None else chain((first,), rest), OUTSIDE)

    def _write(self, parts: Iterable[Part], entry: int) -> None:
        """Write the parts of a body that was entered at *entry* (0: outside a string, 1: inside)."""
        add = self.pieces.append
        for part in parts:
            if type(part) is tuple:
                add(part)
            elif type(part) is Hole:
                value, way = part.value, part.ways[entry]
                if type(value) is str:  # most are: without a call
                    text = encode_basestring(value)
                    add((text if way == OUTSIDE else text[1:-1], part.place, False))
                elif type(value) is Fragment:
                    self._write(value.parts, way)
                else:
                    add((_filled(part, way), part.place, False))
            elif type(part) is Guard and part.entry != entry:
                where = "inside a string" if entry else "outside a string"
                raise TemplateError(f"this does not work {where}: {part.reason}", source=Source(*part.place))


def _filled(hole: Hole, way: int) -> str:
    try:
        return json_text(hole.value) if way == OUTSIDE else encode_basestring(plain_text(hole.value))[1:-1]
    except TemplateError as error:
        error.source = error.source or Source(*hole.place)
        raise
    except UndefinedError as error:  # within a list
        raise TemplateUndefined(str(error), source=Source(*hole.place)) from error


def _a_kind(value: Any) -> str:
    name = type(value).__name__
    known = {"Macro": "a macro that is not called", "dict": "an object", "TemplateModule": "an imported file"}
    return known.get(name, f"a {name}")
