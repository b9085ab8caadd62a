from pathlib import Path

import pytest
from tests.unit.template.builders import MAIN, Templates

from comfypipe.diagnostics import Source
from comfypipe.errors import TemplateError, TemplateNotJSON, TemplateTooExpensive, TemplateUndefined
from comfypipe.template import render

SHOWN = f"workflows/{MAIN}"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('{\n "a": {{ subjct }}}', "'subjct' is undefined", "did you mean subject?"),
        ('{\n "a": "{{ zzz }}"}', "'zzz' is undefined", "known here: size, subject"),
        ('{\n "a": {{ size.widht }}}', "'dict object' has no attribute 'widht'", "did you mean width?"),
        ('{\n "a": {{ size["q"] }}}', "'dict object' has no attribute 'q'", "known here: width"),
        ("{\n {% if nope %}{% endif %}}", "'nope' is undefined", "known here: size, subject"),
        ("{\n {% for i in nope %}{% endfor %}}", "'nope' is undefined", "known here: size, subject"),
        ('{\n "a": {{ [subject, nope] }}}', "'nope' is undefined", None),
        ('{\n {% set x = nope %}"a": {{ x }}}', "'nope' is undefined", "known here: size, subject"),
        ('{% macro m(a) %}{{ a }}{% endmacro %}{\n "a": {{ m() }}}', "parameter 'a' was not provided", None),
    ],
)
def test_undefined_names(templates: Templates, text: str, message: str, hint: str | None) -> None:
    """A name that nothing defines is named with its line and what is closest to it."""
    with pytest.raises(TemplateUndefined) as raised:
        templates.write(text).document(subject="x", size={"width": 1})
    line = 1 if "macro" in text else 2
    assert (message, Source(SHOWN, line)) == (raised.value.message, raised.value.source)
    assert "macro" in text or hint == raised.value.hint


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ('{\n "a": {{ x }', 2, "unexpected '}'", None),
        ('{\n "a": {% if x %}}', 2, None, None),
        (
            "{\n {% fro x in y %}}",
            2,
            None,
            "tags are if, for, set, macro, call, include, import, from, filter, with, raw",
        ),
        ('{\n "a": {{ x|uper }}}', 2, 'no filter is called "uper"', "did you mean upper?"),
        ("{\n {% if x %}{{ x|uper }}{% endif %}}", 2, 'no filter is called "uper"', "did you mean upper?"),
        ("{\n {% if x is evn %}{% endif %}}", 2, 'no test is called "evn"', "did you mean even?"),
        (
            '{\n "a": {{ x|safe }}}',
            2,
            'no filter is called "safe"',
            "values are escaped for their place in JSON: leave it out",
        ),
        ("{\n {% block b %}{% endblock %}}", 2, "{% block %} is not supported", "use {% include %}, or a macro"),
        ('{\n {% extends "x.j2" %}}', 2, "{% extends %} is not supported", "use {% include %}, or a macro"),
        ("{\n {% autoescape true %}{% endautoescape %}}", 2, "{% autoescape %} is not supported", None),
        ('{\n "a": {{ x + 1 }}}', 2, 'TypeError: can only concatenate str (not "int") to str', None),
        ('{\n "a": {{ 1 / 0 }}}', 2, "ZeroDivisionError: division by zero", None),
        ('{\n "a": {{ x() }}}', 2, "TypeError: 'str' object is not callable", None),
        ('{\n "a": {{ "y" if not x }}}', 2, "the expression has no value: its `if` has no `else`", None),
        ('{% macro m() %}{% endmacro %}{\n "a": {{ m }}}', 2, "a macro that is not called has no form in JSON", None),
        ('{\n "a": {% include x ~ ".j2" %}}', 2, 'there is no file "y.j2" in workflows/', None),
        ('{\n "a": {% include "part.j2" %}}', 2, 'there is no file "part.j2" in workflows/', "did you mean parts.j2?"),
        ('{\n {% import "part.j2" as x %}}', 2, 'there is no file "part.j2" in workflows/', "did you mean parts.j2?"),
        ('{\n "a": {% include 5 %}}', 2, "include takes the name of a file, or a list of names", None),
        ('{\n "a": {{ 0 * 1e308 * 1e308 * 10 - x }}}', 2, None, None),
        ('{\n "a": {{ {(1, 2): 3} }}}', 2, None, None),
        ('{\n "a": "{{ [1]|center }}"}', 2, "a list has no text", "join it: {{ value|join(', ') }}"),
        ('{\n "a": "{{ x|center("b", 3, 4) }}"}', 2, "the filter center takes no such arguments", None),
        ('{\n "a": "{{ x.center() }}"}', 2, "TypeError: center expected at least 1 argument, got 0", None),
    ],
)
def test_errors_have_lines(templates: Templates, text: str, line: int, message: str | None, hint: str | None) -> None:
    """Whatever is wrong in a template is said with its own line, and a hint where one helps."""
    with pytest.raises(TemplateError) as raised:
        templates.write(text, parts="1").document(x="y")
    assert Source(SHOWN, line) == raised.value.source
    if message is not None:
        assert (message, hint) == (raised.value.message, raised.value.hint)


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ('{\n "a": {{ x }},,\n}', "expecting property name enclosed in double quotes", (3, 1)),
        ('{\n "a": {{ x }} {{ x }}}', "expecting ',' delimiter", (2, 1)),
        ('{\n "a": {{ x }},\n "a": 2}', 'node "a" is given twice in one object', (3, 2)),
        (
            '{\n "a": {},\n {% for i in [1, 2] %}\n  "n": {}, {% endfor %}}',
            'node "n" is given twice in one object',
            (4, 3),
        ),
        ('{\n "a": NaN}', "NaN is not a JSON number", (2, 7)),
        ('{\n "a": -{{ x }}e999}', "a number is too large", (2, 7)),
        ('{\n "a": "b\n"}', "invalid control character", (2, 9)),
        ("{# nothing #}", "it is empty", None),
        ('{"nodes": [], "links": []}', "this is a UI graph (the editor's own save), not a prompt", (1, 1)),
        ("[{{ x }}]", "a prompt is a JSON object of nodes, not an array", (1, 1)),
    ],
)
def test_no_prompt(templates: Templates, text: str, message: str, place: tuple[int, int] | None) -> None:
    """Text that is no prompt is refused with the place in the template that wrote it."""
    with pytest.raises(TemplateNotJSON) as raised:
        templates.write(text).document(x=5)
    assert raised.value.message.startswith(f"not a prompt: {message}")
    assert (Source(SHOWN, *place) if place else None) == raised.value.source


def test_errors_in_other_files(templates: Templates) -> None:
    """An error in an included or imported file is said with that file's path and line."""
    templates.write(
        '{% import "parts/lib.j2" as lib %}{"a": {{ lib.m() }}, "b": {% include "parts/inner.j2" %}}',
        parts_lib="{% macro m() %}\n{{ nope }}{% endmacro %}",
        parts_inner="\n\n{{ 1 / 0 }}",
    )
    with pytest.raises(TemplateUndefined) as raised:
        templates.document()
    assert Source("workflows/parts/lib.j2", 2) == raised.value.source
    templates.write('{"b": {% include "parts/inner.j2" %}}')
    with pytest.raises(TemplateError, match="ZeroDivisionError") as divided:
        templates.document()
    assert Source("workflows/parts/inner.j2", 3) == divided.value.source
    templates.write('{"b": {% include "parts/broken.j2" %}}', parts_broken="\n{% if %}")
    with pytest.raises(TemplateError) as broken:
        templates.document()
    assert Source("workflows/parts/broken.j2", 2) == broken.value.source


def test_expensive_lines(templates: Templates) -> None:
    """Running over a limit is said with the line that did it."""
    with pytest.raises(TemplateTooExpensive) as raised:
        templates.write('{\n\n"a": "{{ "a" * 10**9 }}"}').document()
    assert Source(SHOWN, 3) == raised.value.source


def test_missing_and_unreadable_templates(tmp_path: Path) -> None:
    """A template that is missing, a folder, or no UTF-8 is a clear error."""
    (tmp_path / "folder.j2").mkdir()
    (tmp_path / "latin.j2").write_bytes(b"\n\xff")
    cases = {"gone.j2": ("there is no such file", 1), "folder.j2": ("not a file", 1), "latin.j2": ("not UTF-8 text", 2)}
    for name, (message, line) in cases.items():
        with pytest.raises(TemplateError) as raised:
            render(tmp_path / name, {}, root=tmp_path, shown=f"w/{name}")
        assert (message, Source(f"w/{name}", line)) == (raised.value.message, raised.value.source)


def test_no_paths_of_the_machine(templates: Templates) -> None:
    """Messages name files as the user does, never by where they lie on this machine."""
    templates.write('{% from "parts/lib.j2" import nope %}{"a": {{ nope() }}}', parts_lib="")
    with pytest.raises(TemplateError) as raised:
        templates.document()
    assert str(templates.root.parent) not in str(raised.value)
    assert "does not export the requested name 'nope'" in raised.value.message
