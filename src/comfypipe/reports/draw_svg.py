"""Drawings as SVG: no scripts, no fonts, nothing from elsewhere; light and dark as the viewer has it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from comfypipe.reports.drawing import Arrow, Box, Drawing, layers

_LETTER = 7.3
_LINE = 17
_PADDING = 10
_GAP_X = 70
_GAP_Y = 18
_LONGEST = 44
_NO_XML = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")
_STYLE = """\
text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #1d1d1f }
.box { fill: #f7f7f9; stroke: #8e8e93 } .caption { font-weight: bold } .kind { fill: #6b6b70 }
.arrow { fill: none; stroke: #a0a0a6; stroke-width: 1.3 } .input { fill: #0a58ca } .model { fill: #9a5b00 }
.output { fill: #137333 } .has-input { stroke: #0a58ca } .has-model { stroke: #9a5b00 }
.has-output { stroke: #137333; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #f2f2f4 } .box { fill: #26262a } .kind { fill: #a0a0a6 }
.input { fill: #7db1ff } .model { fill: #ffb454 } .output { fill: #7ee29b } }
"""


@dataclass(frozen=True, slots=True)
class _Placed:
    """A box with its lines of text and its place, in pixels."""

    box: Box
    lines: tuple[tuple[str, str], ...]
    x: float
    y: float
    width: float

    @property
    def height(self) -> float:
        return len(self.lines) * _LINE + 2 * _PADDING - 4


def to_svg(drawing: Drawing) -> str:
    """Return *drawing* as an SVG document."""
    placed = {each.box.id: each for each in _place(drawing)}
    width = max((each.x + each.width for each in placed.values()), default=0) + _GAP_Y
    height = max((each.y + each.height for each in placed.values()), default=0) + _GAP_Y
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{_text(drawing.name)}</title>",
        f"<style>\n{_STYLE}</style>",
        *(_arrow(each, placed) for each in drawing.arrows),
        *(_box(each) for each in placed.values()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _place(drawing: Drawing) -> Iterator[_Placed]:
    columns = [[(drawing.by_id[each], tuple(_lines(drawing.by_id[each]))) for each in row] for row in layers(drawing)]
    tallest = max((_tall(column) for column in columns), default=0.0)
    x = float(_GAP_Y)
    for column in columns:
        width = max(len(text) for _, lines in column for _, text in lines) * _LETTER + 2 * _PADDING
        y = _GAP_Y + (tallest - _tall(column)) / 2  # columns stand around one middle line
        for box, lines in column:
            placed = _Placed(box, lines, x, y, width)
            yield placed
            y += placed.height + _GAP_Y
        x += width + _GAP_X


def _tall(column: Sequence[tuple[Box, tuple[tuple[str, str], ...]]]) -> float:
    return sum(_Placed(box, lines, 0, 0, 0).height + _GAP_Y for box, lines in column)


def _lines(box: Box) -> Iterator[tuple[str, str]]:
    yield "caption", _shortened(box.caption)
    if box.kind != box.title:
        yield "kind", _shortened(box.kind)
    for style, mark, names in (("input", "▸", box.inputs), ("model", "◆", box.models), ("output", "◂", box.outputs)):
        for name in names:
            yield style, _shortened(f"{mark} {name}")


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _box(placed: _Placed) -> str:
    box = placed.box
    marks = (("has-input", box.inputs), ("has-model", box.models), ("has-output", box.outputs))
    classes = " ".join(("box", *(name for name, held in marks if held)))
    texts = "".join(
        f'<text class="{style}" x="{placed.x + _PADDING:.0f}" y="{placed.y + _PADDING + 10 + at * _LINE:.0f}">'
        f"{_text(line)}</text>"
        for at, (style, line) in enumerate(placed.lines)
    )
    full = "\n".join((box.caption, box.kind, *box.inputs, *box.models, *box.outputs))
    return (
        f'<g><title>{_text(full)}</title><rect class="{classes}" x="{placed.x:.0f}" y="{placed.y:.0f}" '
        f'width="{placed.width:.0f}" height="{placed.height:.0f}" rx="6"/>{texts}</g>'
    )


def _arrow(arrow: Arrow, placed: Mapping[str, _Placed]) -> str:
    source, target = placed[arrow.source], placed[arrow.target]
    x1, y1 = source.x + source.width, source.y + source.height / 2
    x2, y2 = target.x, target.y + target.height / 2
    bend = max(abs(x2 - x1) / 2, 30)
    path = f"M{x1:.0f} {y1:.0f}C{x1 + bend:.0f} {y1:.0f} {x2 - bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    return f'<path class="arrow" d="{path}"><title>{_text(arrow.label)}</title></path>'


def _text(text: str) -> str:
    """Return *text* as XML has it; control characters, which XML has not, are left out."""
    return escape(_NO_XML.sub("", text))
