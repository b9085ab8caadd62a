"""What pages have in common: their colours and controls, and how they make elements."""

from collections.abc import Sequence
from importlib.resources import files


def shared_asset(name: str) -> str:
    """Return the text of ``base.css`` or ``dom.js``."""
    return (files(__package__) / name).read_text(encoding="utf-8")


def one_script(parts: Sequence[str]) -> str:
    """Return parts of a program as one, in a scope of its own."""
    return '"use strict";\n(() => {\n' + "\n".join(parts) + "\n})();\n"
