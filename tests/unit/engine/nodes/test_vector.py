"""Saving vector pictures."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from tests.unit.engine.nodes.conftest import Execution

from comfypipe.engine.nodes.vector import NODES
from comfypipe.engine.registry import Result
from comfypipe.engine.vector import Svg, with_metadata

PICTURE = '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle r="2"/></svg>'


def save(context: Execution, svg: object, prefix: str = "svg/x") -> Result:
    """Run the node."""
    result = NODES[0].function(svg=svg, filename_prefix=prefix, context=context)
    assert isinstance(result, Result)
    return result


def test_each_picture_is_a_file(context: Execution) -> None:
    """Counted on, in the prefix's folder, shown under images."""
    for wanted in (["x_00001_.svg", "x_00002_.svg"], ["x_00003_.svg", "x_00004_.svg"]):
        shown = save(context, Svg((PICTURE, PICTURE))).ui
        entries = [{"filename": each, "subfolder": "svg", "type": "output"} for each in wanted]
        assert {"images": entries} == shown


def test_prompt_stands_in_the_file(context: Execution) -> None:
    """As JSON in the first element of the picture, whatever it holds; the rest of the picture is as it was."""
    context.prompt["1"]["inputs"]["text"] = "]]> \\1 </svg>"
    save(context, Svg((PICTURE,)))
    text = Path(context.folders.output, "svg", "x_00001_.svg").read_text(encoding="utf-8")
    root = ET.fromstring(text)  # noqa: S314  our own text
    metadata = root[0]
    assert {"prompt": context.prompt, **context.extra_pnginfo} == json.loads(metadata.text or "")
    assert ["{http://www.w3.org/2000/svg}circle"] == [each.tag for each in root[1:]]


def test_layout_is_comfyuis() -> None:
    """Clients that cut the text out find it where the real server puts it."""
    wanted = '<svg a="b">\n  <metadata>\n                <![CDATA[\n            {}\n                ]]>\n'
    assert wanted + "            </metadata>\n            <g/></svg>" == with_metadata('<svg a="b"><g/></svg>', {})


def test_other_values_are_refused(context: Execution) -> None:
    """With the input's name."""
    with pytest.raises(TypeError, match="svg: expected vector pictures, got int"):
        save(context, 3)
