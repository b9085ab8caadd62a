"""A graph of boxes and arrows, and where the boxes lie in layers from left to right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Box:
    """
    A node of a prompt, or a step of a pipeline.

    Attributes:
        title: What people call it.
        kind: Its class, or the workflow that it runs.
        inputs: Names of the inputs that are set in it.
        models: Model files that it loads.
        outputs: Names of the outputs that it gives.
    """

    id: str
    title: str
    kind: str
    inputs: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def caption(self) -> str:
        """Id and title, the first line of the box."""
        return self.id if self.title == self.id else f"{self.id} {self.title}"


@dataclass(frozen=True, slots=True)
class Arrow:
    """What one box gives to another; *label* says as what."""

    source: str
    target: str
    label: str


@dataclass(frozen=True)
class Drawing:
    """
    A graph to be drawn.

    Attributes:
        arrows: Between boxes that are there.
    """

    name: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]

    @cached_property
    def by_id(self) -> Mapping[str, Box]:
        """The boxes by id."""
        return {each.id: each for each in self.boxes}

    @cached_property
    def incoming(self) -> Mapping[str, Sequence[Arrow]]:
        """By id, the arrows that end there."""
        found: dict[str, list[Arrow]] = {each.id: [] for each in self.boxes}
        for arrow in self.arrows:
            found[arrow.target].append(arrow)
        return found

    @cached_property
    def ends(self) -> tuple[Box, ...]:
        """The boxes that nothing reads, in their order; all where each is read by another."""
        read = {each.source for each in self.arrows}
        return tuple(each for each in self.boxes if each.id not in read) or self.boxes


def layers(drawing: Drawing) -> list[list[str]]:
    """
    Return the boxes in layers: each right of all that it reads, and near them from top to bottom.

    Arrows that would close a circle are passed over.
    """
    depth = _depths(drawing)
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for box in drawing.boxes:
        rows[depth[box.id]].append(box.id)
    return _untangled(drawing, rows)


def _depths(drawing: Drawing) -> dict[str, int]:
    depth: dict[str, int] = {}
    open_boxes: set[str] = set()
    for box in drawing.boxes:
        stack = [(box.id, False)]
        while stack:  # iterative: chains are long
            box_id, visited = stack.pop()
            sources = [each.source for each in drawing.incoming[box_id]]
            if visited:
                open_boxes.discard(box_id)
                depth[box_id] = max((depth[each] + 1 for each in sources if each in depth), default=0)
            elif box_id not in depth and box_id not in open_boxes:
                open_boxes.add(box_id)
                stack.append((box_id, True))
                stack.extend((each, False) for each in sources if each not in depth and each not in open_boxes)
    return depth


def _untangled(drawing: Drawing, rows: list[list[str]], rounds: int = 4) -> list[list[str]]:
    """Move boxes within their layers to the middle of what they are connected to, back and forth."""
    neighbours: dict[str, list[str]] = {each.id: [] for each in drawing.boxes}
    for arrow in drawing.arrows:
        neighbours[arrow.source].append(arrow.target)
        neighbours[arrow.target].append(arrow.source)
    place = {box_id: float(at) for row in rows for at, box_id in enumerate(row)}
    for number in range(rounds):
        for row in rows if number % 2 == 0 else reversed(rows):
            row.sort(key=lambda box_id: _middle([place[each] for each in neighbours[box_id]], place[box_id]))
            place.update({box_id: float(at) for at, box_id in enumerate(row)})
    return rows


def _middle(places: Sequence[float], otherwise: float) -> float:
    return sum(places) / len(places) if places else otherwise
