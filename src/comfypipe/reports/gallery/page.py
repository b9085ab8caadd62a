"""The page around the runs: markup, style and program, in one file that loads nothing from anywhere else."""

import base64
import hashlib
import re
from collections.abc import Mapping
from html import escape
from importlib.resources import files

from comfypipe.reports.assets import one_script, shared_asset

_SCRIPTS = ("model.js", "lines.js", "cards.js", "matrix.js", "filters.js", "viewer.js", "compare.js", "main.js")
"""In the order in which they build on each other."""


def page_parts(title: str) -> tuple[str, str]:
    """Return what stands before the runs' JSON, and what stands after it."""
    style = shared_asset("base.css") + _asset("gallery.css")
    script = one_script([shared_asset("dom.js"), *map(_asset, _SCRIPTS)])
    texts = {
        "title": escape(title),
        "policy": escape(_policy(style, script)),
        "style": style,
        "script": script,
    }
    before, after = _asset("gallery.html").split("{{runs}}")
    return _filled(before, texts), _filled(after, texts)


def _filled(page: str, texts: Mapping[str, str]) -> str:
    # One pass: a title that looks like a mark stays a title.
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: texts[mark[1]], page)


def _asset(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return the page's content security policy: its own program and style, files beside it, nothing else."""
    beside = "'self' file: data:"
    return (
        f"default-src 'none'; img-src {beside}; media-src {beside}; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
