"""Values as the editor, a JavaScript program, holds them: numbers are doubles, text is made of them its way."""

from collections.abc import Mapping, Sequence

from comfypipe._types import JSON
from comfypipe.importing.layout import UNSET, Layout, Widget

_EXACT = 2**53
CONTROLS = ("fixed", "increment", "decrement", "randomize", "increment-wrap")
_EDITOR_ONLY = ("control_after_generate", "control_filter_list", "upload", "refresh", "Auto-refresh after generation")


def as_double(value: JSON) -> JSON:
    """
    Return *value* as JSON that has been through JavaScript: integers beyond 2**53 are rounded, 8.0 is 8.

    Infinite numbers become null, as ``JSON.stringify`` writes them.
    """
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if -_EXACT <= value <= _EXACT else _rounded(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return None
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [as_double(each) for each in value]
    return {str(name): as_double(each) for name, each in value.items()} if isinstance(value, dict) else value


def _rounded(value: int) -> int | None:
    try:
        return int(float(value))
    except OverflowError:
        return None


def as_text(value: JSON) -> str:
    """Return *value* as JavaScript's ``value + ""`` has it."""
    value = as_double(value)
    if value is None or value is UNSET:
        return "null" if value is None else "undefined"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join("" if each is None else as_text(each) for each in value)
    if isinstance(value, dict):
        return "[object Object]"
    if isinstance(value, float) or (isinstance(value, int) and abs(value) >= 10**21):
        return _number_text(float(value))
    return str(value)


def _number_text(value: float) -> str:
    text = repr(value)
    if "e" not in text:
        return text
    digits, exponent = text.split("e")
    if -7 < int(exponent) < 0:
        return f"{value:.{len(digits.replace('.', '').lstrip('-')) - 1 - int(exponent)}f}"
    return f"{digits}e{int(exponent):+d}"


def widget_values(layout: Layout, saved: Sequence[JSON]) -> list[tuple[Widget, JSON]]:
    """
    Give each widget its saved value by position, unchecked; what the save does not reach takes its default.

    Source: observed of frontend 1.58.1. A saved control that is missing shifts the rest, as there.
    """
    values = (
        [each for each, gone in zip(saved, layout.drop, strict=True) if not gone] if _drops(layout, saved) else saved
    )
    filled: list[tuple[Widget, JSON]] = []
    position = _fill(layout, values, 0, filled)
    if layout.open_ended:
        filled.extend(_options(filled, values, position))
    return filled


def _drops(layout: Layout, saved: Sequence[JSON]) -> bool:
    return bool(layout.drop) and len(layout.drop) == len(saved)


def _fill(layout: Layout, saved: Sequence[JSON], position: int, filled: list[tuple[Widget, JSON]]) -> int:
    for widget in layout.widgets:
        value = widget.default
        if widget.stored:
            if position < len(saved):
                value = as_double(saved[position])
            position += 1 + widget.companions
        filled.append((widget, value))
        chosen = widget.choices.get(as_text(value)) if widget.choices else None
        if chosen is not None:  # as deep as the declaration nests, which is bounded
            position = _fill(chosen, saved, position, filled)
    return position


def _options(filled: Sequence[tuple[Widget, JSON]], saved: Sequence[JSON], position: int) -> list[tuple[Widget, JSON]]:
    """Return the widgets of a ``CustomCombo``: the place of the choice, then the options that its author entered."""
    declared = {widget.name for widget, _ in filled}
    start = position if "index" in declared else position + 1
    options = list(saved[start:])
    chosen = next((value for widget, value in filled if widget.name == "choice"), UNSET)
    found = (
        [] if "index" in declared else [(Widget("index", "INT", 0), options.index(chosen) if chosen in options else -1)]
    )
    return [*found, *((Widget(f"option{at}", "STRING", ""), value) for at, value in enumerate(options, start=1))]


def guessed_values(
    widgets: Sequence[str], saved: Sequence[JSON], named: Mapping[str, JSON]
) -> list[tuple[Widget, JSON]]:
    """
    Make the best of a node whose class is unknown: values by name where saved so, else by its widget inputs' order.

    Args:
        widgets: Names of the widgets that have an input slot in the save.
        saved: Values by position.
        named: Values by name.
    """
    if named:
        controls = (*_EDITOR_ONLY, *CONTROLS)  # a control may be called what it is set to
        pairs = [(name, value) for name, value in named.items() if name.split("#")[0] not in controls]
    else:
        pairs = list(zip(widgets, values, strict=True)) if len(values := _uncontrolled(saved)) == len(widgets) else []
    return [(Widget(name, "*"), as_double(value)) for name, value in pairs]


def _uncontrolled(saved: Sequence[JSON]) -> list[JSON]:
    kept: list[JSON] = []
    for at, value in enumerate(saved):
        after_number = at > 0 and isinstance(saved[at - 1], int | float) and not isinstance(saved[at - 1], bool)
        if not (after_number and value in CONTROLS):
            kept.append(value)
    return kept
