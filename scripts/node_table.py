"""Write docs/engine-nodes.md: a table of all nodes of the embedded engine, from its registry."""

import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from comfypipe.engine.catalog import FAMILIES, core_registry, family_nodes
from comfypipe.engine.registry import InputSpec, NodeClass

PAGE = Path(__file__).resolve().parent.parent / "docs" / "engine-nodes.md"
HEAD = """# Nodes of the embedded engine

The {count} classes that the [embedded engine](engine.md) executes: those core nodes of ComfyUI 0.3.64 that need no
model. Names, inputs, ranges and defaults are ComfyUI's. A prompt with any other class is refused with its name; run it
on a [ComfyUI server](backends.md).

In the tables an input is written as its name, its type or choices, `=` its default, and its range; a question mark
means that it may be left out. `[ ]` around an output means a list: the nodes behind it run once for each item. A star
marks nodes that save or show something: every prompt needs one.

This page is made by `make docs` from the engine's registry.
"""
ROW = "| {name} | {inputs} | {outputs} | {description} |"
TITLES = {"colour": "Colours", "sigmas": "Noise levels", "strings": "Text", "latent_math": "Latents: arithmetic"}
TYPE_LIMIT = 2**53
"""Larger bounds are those of the type, and not worth a line."""


def page() -> str:
    """Return the page's text."""
    sections = [section(family) for family in FAMILIES]
    return "\n".join([HEAD.format(count=len(core_registry())), *sections])


def section(family: str) -> str:
    """Return the heading, the one sentence and the table of a family."""
    summary = inspect.cleandoc(import_module(f"comfypipe.engine.nodes.{family}").__doc__ or "").split("\n\n")[0]
    sentence = " ".join(summary.split()).partition(" Source:")[0].replace("``", "`")
    return "\n".join([f"## {title(family)}\n", f"{sentence}\n", *table(family_nodes(family)), ""])


def title(family: str) -> str:
    """Return the name of a family as people write it."""
    group, _, part = family.partition("_")
    return TITLES.get(family) or (f"{group.capitalize()}s: {part}" if part else family.capitalize())


def table(nodes: tuple[NodeClass, ...]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield ROW.format(name="node", inputs="inputs", outputs="outputs", description="what it does")
    yield "|---|---|---|---|"
    for node in nodes:
        yield ROW.format(
            name=f"`{node.class_type}`{' ★' if node.output_node else ''}",
            inputs="<br>".join(written(name, spec) for name, spec in node.inputs.items()) or "none",
            outputs=", ".join(f"[{each.type}]" if each.is_list else each.type for each in node.outputs) or "none",
            description=described(node),
        )


def described(node: NodeClass) -> str:
    """Return what a node does, in a sentence."""
    text = node.description or inspect.cleandoc(node.function.__doc__ or "").partition("\n")[0]
    return text.replace("``", "`").replace("|", "\\|")


def written(name: str, spec: InputSpec) -> str:
    """Return an input as it stands in the table."""
    kind = spec.type if isinstance(spec.type, str) else " / ".join(map(str, spec.type))
    if spec.folder is not None:
        kind = "a file"
    default = f" = {spec.options['default']!r}" if "default" in spec.options else ""
    mark = "?" if spec.optional else ""
    return f"`{name}`{mark} {kind}{default}{bounds(spec)}".replace("|", "\\|").replace("*", "\\*")


def bounds(spec: InputSpec) -> str:
    """Return the range of a number, without bounds that nobody meets."""
    low, high = (spec.options.get(key) for key in ("min", "max"))
    least, most = (f"{each:.10g}" if each is not None and abs(each) < TYPE_LIMIT else "" for each in (low, high))
    if least and most:
        return f" ({least} … {most})"
    return f" (from {least})" if least else f" (to {most})" if most else ""


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text(encoding="utf-8") == page() else f"{PAGE.name} is out of date: run `make docs`")
    PAGE.write_text(page(), encoding="utf-8")
