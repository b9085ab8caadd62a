"""Drawings for the terminal: from each end back to what it is made of, as a tree."""

from collections.abc import Iterator

from comfypipe.importing.prompt_parts import readable
from comfypipe.reports.drawing import Arrow, Box, Drawing


def to_tree(drawing: Drawing) -> str:
    """
    Return *drawing* as lines of text: what nothing reads first, below each what it reads.

    A box that is read more than once is written out where it comes first, and named afterwards.
    """
    shown: set[str] = set()
    lines: list[str] = []
    for end in drawing.ends:
        lines.extend(_branch(drawing, end, shown))
    lines.extend(line for box in drawing.boxes if box.id not in shown for line in _branch(drawing, box, shown))
    return "\n".join(lines) + "\n" if lines else ""


def _branch(drawing: Drawing, root: Box, shown: set[str]) -> Iterator[str]:
    stack: list[tuple[Box, str, str, str]] = [(root, "", "", "")]
    while stack:  # iterative: chains are longer than Python's stack
        box, first, rest, label = stack.pop()
        start = f"{first}{label}: " if label else first
        if box.id in shown:
            yield readable(f"{start}{box.caption} (above)")
            continue
        shown.add(box.id)
        yield readable(f"{start}{_line(box)}")
        arrows = drawing.incoming[box.id]
        stack.extend(reversed([_child(drawing, each, rest, last=each is arrows[-1]) for each in arrows]))


def _child(drawing: Drawing, arrow: Arrow, indent: str, *, last: bool) -> tuple[Box, str, str, str]:
    first, rest = ("└─ ", "   ") if last else ("├─ ", "│  ")
    return drawing.by_id[arrow.source], indent + first, indent + rest, arrow.label


def _line(box: Box) -> str:
    kind = f" [{box.kind}]" if box.kind != box.title else ""
    marks = (("▸", box.inputs), ("◆", box.models), ("◂", box.outputs))
    return f"{box.caption}{kind}" + "".join(f"  {mark} {', '.join(names)}" for mark, names in marks if names)
