"""Drawings as Mermaid flowcharts, which code hosts and documentation sites show."""

from collections.abc import Iterator

from comfypipe.reports.drawing import Box, Drawing

_CLASSES = (
    ("input", "stroke:#0a58ca,stroke-width:2px"),
    ("model", "stroke:#9a5b00,stroke-width:2px"),
    ("output", "stroke:#137333,stroke-width:3px"),
)


def to_mermaid(drawing: Drawing) -> str:
    """Return *drawing* as a flowchart from left to right."""
    names = {each.id: f"n{at}" for at, each in enumerate(drawing.boxes)}
    lines = ["flowchart LR"]
    lines.extend(f'  {names[each.id]}["{"<br/>".join(_lines(each))}"]' for each in drawing.boxes)
    for arrow in drawing.arrows:
        label = f'|"{_text(arrow.label)}"|' if arrow.label else ""
        lines.append(f"  {names[arrow.source]} -->{label} {names[arrow.target]}")
    for name, style in _CLASSES:
        marked = [names[each.id] for each in drawing.boxes if _mark(each) == name]
        if marked:
            lines.extend((f"  classDef {name} {style}", f"  class {','.join(marked)} {name}"))
    return "\n".join(lines) + "\n"


def _lines(box: Box) -> Iterator[str]:
    yield f"<b>{_text(box.caption)}</b>"
    if box.kind != box.title:
        yield f"<i>{_text(box.kind)}</i>"
    for mark, names in (("▸", box.inputs), ("◆", box.models), ("◂", box.outputs)):
        yield from (f"{mark} {_text(each)}" for each in names)


def _mark(box: Box) -> str | None:
    held = (("output", box.outputs), ("input", box.inputs), ("model", box.models))
    return next((name for name, names in held if names), None)


def _text(text: str) -> str:
    """Return *text* with everything escaped that means something to Mermaid or to HTML."""
    return "".join(each if each.isalnum() or each in " _-.,:/()" else f"#{ord(each)};" for each in text)
