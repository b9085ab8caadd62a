import pytest
from tests.unit.template.builders import MAIN, Templates

from comfypipe.diagnostics import Source
from comfypipe.errors import TemplateError
from comfypipe.template import names_read


def names(templates: Templates) -> set[str]:
    """Return the names that the main template reads."""
    return set(names_read(templates.root / MAIN, templates.root, f"workflows/{MAIN}"))


def test_names_of_one_file(templates: Templates) -> None:
    """Names that are read count, wherever they stand; names that the template defines do not."""
    templates.write(
        """{% set a = b %}{% for c in d if e %}{{ c.f }}{{ loop.index }}{% endfor %}
        {% macro m(g, h=i) %}{{ g }}{{ j }}{{ caller() }}{% endmacro %}{% call(k) m(l) %}{{ k }}{% endcall %}
        {{ n|default(o) }}{{ p is defined }}{{ range(3) }}{% if q %}{% elif r %}{% endif %}{{ namespace(x=s) }}"""
    )
    assert set("bdeijlnopqrs") == names(templates)


def test_names_of_included_files(templates: Templates) -> None:
    """What an included file reads counts, unless the file around it defines it; so do files within files."""
    templates.write(
        '{% for item in items %}{% include "parts/a.j2" %}{% endfor %}{% include ["no.j2", "parts/c.j2"] %}'
        '{% include "gone.j2" ignore missing %}{% include computed %}{% import "parts/d.j2" as d %}'
        '{% import "parts/e.j2" as e with context %}',
        parts_a='{{ item }}{{ a }}{% include "parts/b.j2" %}',
        parts_b='{{ item }}{{ b }}{% include "parts/a.j2" %}',
        parts_c="{{ c }}",
        parts_d="{% macro m() %}{{ sees_no_values }}{% endmacro %}",
        parts_e="{% macro m() %}{{ sees_values }}{% endmacro %}",
    )
    assert {"items", "computed", "a", "b", "c", "sees_values"} == names(templates)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\n{% if %}", 2),
        ('\n{"a": "{% if x %}"{% endif %}', 2),
        ('\n\n{% include "gone.j2" %}', 1),
        ("\n{{ x|nope }}", 2),
    ],
)
def test_templates_that_cannot_be_compiled(templates: Templates, text: str, line: int) -> None:
    """What is wrong with a template as such is an error, before any value is known."""
    with pytest.raises(TemplateError) as raised:
        names(templates.write(text))
    assert Source(f"workflows/{MAIN}", line) == raised.value.source
