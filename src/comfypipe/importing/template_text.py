"""A prompt as a template: JSON with the values that can be set from outside taken out."""

import json
import re
from collections.abc import Mapping

from comfypipe._types import JSON, JSONObject
from comfypipe.importing.prompt_parts import inputs_of

_MARK = "\ue000"
_OPENING = re.compile(r"\{(?=[{%#])")


def prompt_text(prompt: JSONObject) -> str:
    """Return a prompt in API format as JSON that people can read and compare: an input a line."""
    text = "{\n" + ",\n".join(f"  {json.dumps(node_id)}: {_node(node)}" for node_id, node in prompt.items()) + "\n}\n"
    try:
        text.encode()
    except UnicodeEncodeError:  # half characters cannot be written but as escapes
        return json.dumps(prompt, indent=2) + "\n"
    return text


def _node(node: JSONObject) -> str:
    parts = (f"    {json.dumps(name)}: {_part(name, value)}" for name, value in node.items())
    return "{\n" + ",\n".join(parts) + "\n  }"


def _part(name: str, value: JSON) -> str:
    if name != "inputs" or not isinstance(value, dict) or not value:
        return json.dumps(value, ensure_ascii=False)
    inputs = (f"      {json.dumps(each)}: {json.dumps(held, ensure_ascii=False)}" for each, held in value.items())
    return "{\n" + ",\n".join(inputs) + "\n    }"


def template_text(prompt: JSONObject, targets: Mapping[tuple[str, str], str], optional: Mapping[str, JSON]) -> str:
    """
    Return *prompt* as a ``.json.j2`` template.

    Args:
        targets: By node and input, the name of the input that is read there.
        optional: By name of an input that may be left out, what stands there without it.
    """
    mark = _MARK
    while mark in json.dumps(prompt, ensure_ascii=False):
        mark += _MARK
    marked: JSONObject = {}
    expressions: list[str] = []
    for node_id, node in prompt.items():
        inputs = dict(inputs_of(node))
        for name in [name for name in inputs if (node_id, name) in targets]:
            inputs[name] = f"{mark}{len(expressions)}{mark}"
            expressions.append(_expression(targets[node_id, name], optional))
        marked[node_id] = {**node, "inputs": inputs}
    text = _OPENING.sub(r"\\u007b", prompt_text(marked))
    return re.sub(rf'"{mark}(\d+){mark}"', lambda match: expressions[int(match[1])], text)


def _expression(name: str, optional: Mapping[str, JSON]) -> str:
    if name not in optional:
        return f"{{{{ {name} }}}}"
    return f"{{{{ {name} or {_literal(optional[name])} }}}}"


def _literal(value: JSON) -> str:
    """Return a value as Jinja writes it: text in quotes, with the escapes that it shares with JSON."""
    if value is None:
        return "none"
    return json.dumps(value, ensure_ascii=False)
