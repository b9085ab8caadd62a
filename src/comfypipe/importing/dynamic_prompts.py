"""Dynamic prompts: comments are taken out and one of ``{a|b}`` is chosen, as the editor does on queueing."""

import re
from collections.abc import Callable

_COMMENT_START = re.compile(r"/[*/]")
_LINE_END = re.compile(r"[\n\r\u2028\u2029]")
_SPECIAL = re.compile(r"[\\{}|]")
_ESCAPED = re.compile(r"\\([{}|])")
_DEPTH_LIMIT = 32


def resolve_dynamic_prompt(text: str, choose: Callable[[int], int]) -> str:
    r"""
    Return *text* without comments and with every choice made.

    Braces nest; ``\{``, ``\|`` and ``\}`` stand for themselves; braces deeper than 32 levels are left as they are.

    Args:
        choose: Given how many options there are, returns which to take, counted from 0.

    Source: observed of frontend 1.58.1. Each level is read anew, so that a choice may not hold a comment but may
    hold choices.
    """
    return _resolve(text, choose, 0)


def strip_comments(text: str) -> str:
    """Return *text* without ``/* … */`` and ``// …``; a block comment that does not end stays."""
    parts: list[str] = []
    at = 0
    while (match := _COMMENT_START.search(text, at)) is not None:
        end = text.find("*/", match.end()) if match[0] == "/*" else _line_end(text, match.end())
        if end < 0:  # no block comment can end from here on; line comments still do
            return "".join((*parts, text[at : match.end()], _strip_line_comments(text[match.end() :])))
        parts.append(text[at : match.start()])
        at = end + 2 if match[0] == "/*" else end
    return "".join((*parts, text[at:]))


def _strip_line_comments(text: str) -> str:
    return re.sub(r"//[^\n\r\u2028\u2029]*", "", text)


def _line_end(text: str, at: int) -> int:
    match = _LINE_END.search(text, at)
    return len(text) if match is None else match.start()


def _resolve(text: str, choose: Callable[[int], int], depth: int) -> str:
    text = strip_comments(text)
    parts: list[str] = []
    at = 0
    while (match := _SPECIAL.search(text, at)) is not None:
        parts.append(text[at : match.start()])
        at = match.end()
        if match[0] == "\\":
            parts.append(_escaped(text, at))
            at += 1
        elif match[0] == "{":
            options, at = _options(text, at)
            chosen = options[choose(len(options))]
            parts.append(_resolve(chosen, choose, depth + 1) if depth < _DEPTH_LIMIT else chosen)
        else:
            parts.append(match[0])
    parts.append(text[at:])
    return _ESCAPED.sub(r"\1", "".join(parts))


def _options(text: str, at: int) -> tuple[list[str], int]:
    """Return the options of the block whose inside starts at *at*, and where the text goes on after it."""
    options: list[str] = []
    current: list[str] = []
    depth = 0
    while (match := _SPECIAL.search(text, at)) is not None:
        current.append(text[at : match.start()])
        at = match.end()
        if match[0] == "\\":
            current.append(_escaped(text, at))
            at += 1
        elif depth == 0 and match[0] == "}":
            return [*options, "".join(current)], at
        elif depth == 0 and match[0] == "|":
            options.append("".join(current))
            current = []
        else:
            depth += {"{": 1, "}": -1}.get(match[0], 0)
            current.append(match[0])
    return [*options, "".join((*current, text[at:]))], len(text)


def _escaped(text: str, at: int) -> str:
    """Return a backslash with the character at *at*; the editor, too, writes what JavaScript has beyond the end."""
    return f"\\{text[at]}" if at < len(text) else "\\undefined"
