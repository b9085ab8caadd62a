"""
How many prompts a second one core renders and validates, and whether that stays linear.

The baseline, in the same run, is what no renderer can do without: ``json.loads`` of the text that it wrote.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from _timing import best_of, table
from comfypipe._types import JSONObject
from comfypipe.prompt.graph import PromptGraph
from comfypipe.prompt.object_info import ObjectInfo
from comfypipe.prompt.validate import Validation, validate
from comfypipe.template import render

GOAL_PER_S = 1000
NODES = 20
LENGTHS = (100, 500, 1500)
TIMES = 40  # short runs, many of them: one that nothing else disturbed is among them

VALUES: dict[str, Any] = {
    "subject": 'a "lighthouse" at dusk',
    "width": 512,
    "height": 384,
    "method": "lanczos",
    "seed": 12345678901234567890,
    "count": NODES,
}

CHAIN = """\
{
  "0": {"class_type": "EmptyImage",
        "inputs": {"width": {{ width }}, "height": {{ height }}, "batch_size": 1, "color": 255}},
  {% for index in range(1, count - 1) %}
  "{{ index }}": {"class_type": "ImageScale", "_meta": {"title": "{{ subject }}, {{ loop.index }}"},
        "inputs": {"image": ["{{ index - 1 }}", 0], "upscale_method": {{ method }}, "width": {{ width }},
                   "height": {{ height }}, "crop": "disabled"}},
  {% endfor %}
  "{{ count - 1 }}": {"class_type": "SaveImage",
        "inputs": {"images": ["{{ count - 2 }}", 0], "filename_prefix": "{{ subject }}/{{ seed }}"}}
}
"""


def written_out(nodes: int) -> str:
    """Return a template of so many nodes without a loop, as one edited from an export looks."""
    scales = "".join(
        f"""  "{index}": {{"class_type": "ImageScale", "_meta": {{"title": "Scale {index}"}},
    "inputs": {{"image": ["{index - 1}", 0], "upscale_method": {{{{ method }}}}, "width": {{{{ width }}}},
    "height": 64, "crop": "disabled"}}}},
"""
        for index in range(1, nodes - 1)
    )
    return f"""{{
  "0": {{"class_type": "EmptyImage", "inputs": {{"width": {{{{ width }}}}, "height": {{{{ height }}}},
    "batch_size": 1, "color": 255}}}},
{scales}  "{nodes - 1}": {{"class_type": "SaveImage",
    "inputs": {{"images": ["{nodes - 2}", 0], "filename_prefix": "{{{{ subject }}}}/{{{{ seed }}}}"}}}}
}}
"""


def engine_object_info() -> ObjectInfo:
    """Return what the embedded engine offers."""
    from comfypipe.engine.offline import object_info

    return object_info()


class Case:
    """A template in a folder, with its values."""

    def __init__(self, folder: Path, name: str, text: str, nodes: int) -> None:
        self.root = folder
        self.path = folder / f"{name}.json.j2"
        self.path.write_text(text, encoding="utf-8")
        self.values = VALUES | {"count": nodes}
        self.text = json.dumps(self.document())

    def document(self) -> JSONObject:
        """Render it."""
        return render(self.path, self.values, root=self.root, shown=self.path.name).document

    def check(self, offered: ObjectInfo) -> Validation:
        """Render and validate it."""
        validation = validate(PromptGraph.parse(self.document()), offered)
        validation.raise_if_invalid()
        return validation

    def seconds(self, offered: ObjectInfo, repeats: int) -> tuple[float, float, float]:
        """Return the time of one rendering, of one with validation, and of ``json.loads`` of its text."""

        def best(call: Callable[[], object]) -> float:
            return best_of(lambda: [call() for _ in range(repeats)], TIMES) / repeats

        return best(self.document), best(lambda: self.check(offered)), best(lambda: json.loads(self.text))


def row(name: str, nodes: int, seconds: tuple[float, float, float], goal: str = "") -> list[str]:
    """Return one line of the table."""
    rendering, both, loading = seconds
    return [
        name,
        str(nodes),
        f"{rendering * 1e6:.0f}",
        f"{both * 1e6:.0f}",
        f"{1 / both:.0f}",
        f"{both / nodes * 1e6:.1f}",
        f"{loading * 1e6:.0f}",
        f"{both / loading:.1f}",
        goal,
    ]


def main() -> None:
    """Print the table."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    offered = engine_object_info()
    rows = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        for kind, text in (("written out", written_out(NODES)), ("in a loop", CHAIN)):
            case = Case(folder, kind.replace(" ", "_"), text, NODES)
            rows.append(row(kind, NODES, case.seconds(offered, 20), f"≥ {GOAL_PER_S} a second"))
        for length in LENGTHS:
            case = Case(folder, f"chain_{length}", CHAIN, length)
            rows.append(row("chain", length, case.seconds(offered, max(1, 500 // length)), "µs a node: constant"))
    header = [
        "template",
        "nodes",
        "render µs",
        "+ validate µs",
        "a second",
        "µs a node",
        "json.loads µs",
        "multiple of it",
        "goal",
    ]
    print(table(header, rows))


if __name__ == "__main__":
    main()
