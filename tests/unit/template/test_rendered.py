import pytest
from tests.unit.template.builders import Templates

from comfypipe.diagnostics import Source

MAIN_TEXT = """\
{% import "parts/lib.j2" as lib %}
{%- macro local(id) -%}
  "{{ id }}": {"inputs": {
    "deep": 1}}
{%- endmacro %}
{
  "1": {"class_type": "A", "inputs": {"x": {{ x }}, "y": "{{ x }}",
    {% if x %}
    "z": 1,
    {% endif %}
    "same": 1}, "class_type2": "A"},
  {% for i in [2, 3] %}
  "{{ i }}": {"class_type": "B",
    "inputs": {"x": {{ i }}}},
  {% endfor %}
  {{ lib.node("4", x) }},
  {{ local("5") }},
  {% include "parts/inner.j2" %}
}
"""


@pytest.fixture
def rendered(templates: Templates) -> Templates:
    """Return a template of several files."""
    return templates.write(
        MAIN_TEXT,
        parts_lib='\n{% macro node(id, x) %}\n"{{ id }}": {"inputs": {"text": {{ x }}}}{% endmacro %}',
        parts_inner='"6": {\n  "inputs": {"q": {{ x }}}}',
    )


@pytest.mark.parametrize(
    ("node_id", "name", "path", "line", "column"),
    [
        ("1", None, "main.json.j2", 7, 3),
        ("1", "x", "main.json.j2", 7, 39),
        ("1", "y", "main.json.j2", 7, 53),
        ("1", "z", "main.json.j2", 9, 5),
        ("1", "same", "main.json.j2", 11, 5),
        ("2", None, "main.json.j2", 13, 3),
        ("3", None, "main.json.j2", 13, 3),
        ("3", "x", "main.json.j2", 14, 16),
        ("4", None, "parts/lib.j2", 3, 1),
        ("4", "text", "parts/lib.j2", 3, 25),
        ("5", "deep", "main.json.j2", 4, 5),
        ("6", None, "parts/inner.j2", 1, 1),
        ("6", "q", "parts/inner.j2", 2, 14),
        ("6", "nope", "parts/inner.j2", 1, 1),
        ("7", "nope", "main.json.j2", 1, 1),
    ],
)
def test_places(rendered: Templates, node_id: str, name: str | None, path: str, line: int, column: int) -> None:
    """Every node and input is traced to the line that wrote it, through loops, macros and other files."""
    assert Source(f"workflows/{path}", line, column) == rendered.rendered(x="a").source(node_id, name)


def test_places_do_not_depend_on_values(rendered: Templates) -> None:
    """A value full of quotes and line breaks moves no place."""
    found = rendered.rendered(x='"\n\n": {"inputs": "\\')
    assert Source("workflows/parts/inner.j2", 2, 14) == found.source("6", "q")


def test_places_of_computed_keys(templates: Templates) -> None:
    """A key that an expression wrote has the line of the expression."""
    templates.write('{\n {{ key }}:\n {"inputs":\n {"{{ key }}": 1}}}')
    rendered = templates.rendered(key='a"b')
    assert (2, 4) == (rendered.source('a"b').line, rendered.source('a"b', 'a"b').line)


def test_equality_is_of_the_document(rendered: Templates) -> None:
    """Two renderings with the same values are equal."""
    assert rendered.rendered(x="a") == rendered.rendered(x="a")
    assert rendered.rendered(x="a") != rendered.rendered(x="b")
