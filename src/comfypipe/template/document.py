"""Text to a prompt document, strictly: what JSON allows and a prompt must not hold is refused, with its place."""

import json
import math
from json import JSONDecodeError
from typing import NoReturn

from comfypipe._types import JSON, JSONObject
from comfypipe.template import scan


class NotADocument(Exception):
    """
    Text is not the JSON of a prompt.

    Attributes:
        offset: Where in the text, in characters.
        hint: What to do about it.
    """

    def __init__(self, message: str, offset: int = 0, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.hint = hint


class _Refused(Exception):
    """The decoder met something that JSON readers accept and we do not."""


def parse_document(text: str, *, forgiving: bool = False) -> JSONObject:
    """
    Return the JSON object that *text* is.

    Args:
        forgiving: Overlook a comma before ``}`` or ``]``, as a loop leaves one over.

    Raises:
        NotADocument: No JSON, no object, a key twice in one object, NaN or Infinity, the editor's own save.
    """
    if forgiving and scan.may_have_leftover_commas(text):
        text = scan.without_leftover_commas(text)
    try:
        document = _decode(text)
    except JSONDecodeError as error:
        raise _describe(text, error) from error
    if not isinstance(document, dict):
        raise NotADocument(f"a prompt is a JSON object of nodes, not {_kind(document)}")
    if isinstance(document.get("nodes"), list):
        raise NotADocument(
            "this is a UI graph (the editor's own save), not a prompt",
            hint="convert it with `comfypipe import FILE`, or use the editor's Export (API)",
        )
    return document


def _decode(text: str) -> JSON:
    try:
        return _DECODER.decode(text)
    except JSONDecodeError:
        raise
    except _Refused:
        raise _locate_refused(text) from None
    except ValueError as error:  # a number of more digits than Python reads
        long = max(scan.numbers(text), key=lambda number: len(number[0]))
        raise NotADocument("a number has too many digits", long[1]) from error
    except RecursionError as error:
        raise NotADocument("it is nested too deeply") from error


def _unique(pairs: list[tuple[str, JSON]]) -> JSONObject:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Refused
    return made


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _Refused
    return number


def _no_constant(_name: str) -> NoReturn:
    raise _Refused


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_constant)


def _locate_refused(text: str) -> NotADocument:
    for token, offset in scan.numbers(text):
        if token in ("NaN", "Infinity", "-Infinity"):
            return NotADocument(f"{token} is not a JSON number", offset)
        if token[-1].isdigit() and math.isinf(float(token)):
            return NotADocument("a number is too large", offset)
    twice = scan.first_duplicate(text)
    if twice is None:
        return NotADocument("it holds something that JSON does not allow")
    what = "node" if len(twice[1].path) == 1 else "key"
    return NotADocument(
        f'{what} "{twice[1].path[-1]}" is given twice in one object', twice[1].offset, "give one of them another name"
    )


_HINTS = {
    "Invalid control character at": "inside a JSON string a line break is written \\n, a tab \\t",
    "Extra data": "the prompt ends before this: a brace closes too early, or there is one too many",
    "Unterminated string starting at": "a closing quote is missing",
}


def _describe(text: str, error: JSONDecodeError) -> NotADocument:
    if not text.strip():
        return NotADocument("it is empty")
    message = error.msg.removesuffix(" at")
    near = " ".join(text[max(error.pos - 20, 0) : error.pos + 20].split())
    return NotADocument(f"{message[0].lower()}{message[1:]}, near `{near}`", error.pos, _HINTS.get(error.msg))


def _kind(value: JSON) -> str:
    names = {list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
