import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.unit.template.builders import MAIN, Templates

from comfypipe.errors import TemplateError, TemplateNotJSON
from comfypipe.template import render


@pytest.mark.parametrize(
    ("value", "outside", "inside"),
    [
        ("a\n", "a\n", "a\n"),
        (7, 7, "7"),
        (-1.5, -1.5, "-1.5"),
        (1e22, 1e22, "1e+22"),
        (True, True, "true"),
        (18446744073709551615, 18446744073709551615, "18446744073709551615"),
    ],
)
def test_values_by_position(templates: Templates, value: Any, outside: Any, inside: str) -> None:
    """Outside a string a value is a JSON value of its own type, inside it is text."""
    templates.write('{"a": {{ x }}, "b": "{{ x }}", "c": {{ x ~ "" }}}')
    assert {"a": outside, "b": inside, "c": inside} == templates.document(x=value)


def test_structures(templates: Templates) -> None:
    """Lists, objects and nulls are JSON values outside strings."""
    templates.write('{"a": {{ x }}, "b": {{ (1, 2) }}, "c": {{ range(3) }}, "d": {{ none }}}')
    assert {"a": {"k": [None, {}]}, "b": [1, 2], "c": [0, 1, 2], "d": None} == templates.document(x={"k": [None, {}]})


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        (None, "a null has no text", "give it a text: {{ value or '' }}, or leave it out with {% if %}"),
        ([1], "a list has no text", "join it: {{ value|join(', ') }}"),
        ({"a": 1}, "an object has no text", None),
    ],
)
def test_no_text(templates: Templates, value: Any, message: str, hint: str | None) -> None:
    """What has no text is refused inside a string: nobody wants "None" in a picture's prompt."""
    with pytest.raises(TemplateError, match=message) as raised:
        templates.write('{\n"a": "{{ x }}"}').document(x=value)
    assert (hint, "workflows/main.json.j2:2:1") == (raised.value.hint, str(raised.value.source))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('"a": "{% if x %}yes{% elif y %}maybe{% else %}no{% endif %}"', {"a": "maybe"}),
        ('{% if y %}"a": 1{% endif %}', {"a": 1}),
        ('"a": [{% for i in range(3) %}{{ i }},{% endfor %}]', {"a": [0, 1, 2]}),
        ('{% for i in "ab" %}"{{ i }}": {{ loop.index }}, {% endfor %}', {"a": 1, "b": 2}),
        ('"a": "{% for i in [] %}x{% else %}none{% endfor %}"', {"a": "none"}),
        ('"a": [{% for i in range(9) if i is odd %}{{ i }}{{ "," if not loop.last }}{% endfor %}]', None),
        (
            '"a": [{% for i in range(9) if i is odd %}{{ i }}{% if not loop.last %},{% endif %}{% endfor %}]',
            {"a": [1, 3, 5, 7]},
        ),
        ('"a": "{{ ", hd" if y }}{{ "!" if x }}"', {"a": ", hd"}),
        ('"a": "x, {{- y -}} ,z {{- "" }}"', {"a": "x,1,z"}),
        ('{# "{ #}"a": "{# not in the string #}"', {"a": ""}),
        ('"a": "{% raw %}{{ x }}{% endraw %}"', {"a": "{{ x }}"}),
        ('{% raw %}"a": "{{ x"{% endraw %}', {"a": "{{ x"}),
        ('{% set z = y + 1 %}"a": {{ z }}', {"a": 2}),
        (
            '{% set z %}line "one"\nline {{ y }}{% endset %}"a": {{ z }}, "b": "{{ z }}"',
            {"a": 'line "one"\nline 1', "b": 'line "one"\nline 1'},
        ),
        ('{% set z | upper %}a "b" {{ y }}{% endset %}"a": {{ z }}', {"a": 'A "B" 1'}),
        ('"a": "{% filter upper|replace("B", "c") %}ab"{{ y }}{% endfilter %}"', {"a": 'Ac"1'}),
        ('"a": {% filter trim %} "q" {% endfilter %}', {"a": '"q"'}),
        ('{% macro m(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}"a": "{{ m(1) }}{{ m(3, b=4) }}"', {"a": "1-23-4"}),
        (
            '{% macro m(k) %}"{{ k }}": {"x": {{ k }}}{% endmacro %}{{ m("a") }}, {{ m("b") }}',
            {"a": {"x": "a"}, "b": {"x": "b"}},
        ),
        ('{% macro m() %}{{ varargs|join("+") }}{{ kwargs.z }}{% endmacro %}"a": "{{ m(1, 2, z=3) }}"', {"a": "1+23"}),
        ('{% macro m() %}<{{ caller() }}>{% endmacro %}"a": "{% call m() %}q{{ y }}{% endcall %}"', {"a": "<q1>"}),
        (
            '{% macro m() %}[{{ caller(5) }}]{% endmacro %}"a": {% call(n) m() %}{{ n }}, "{{ n }}"{% endcall %}',
            {"a": [5, "5"]},
        ),
        (
            '{% macro m() %}ab{% endmacro %}"a": {{ m()|upper }}, "b": {{ m() == "ab" }}, "c": {{ "b" in m() }}',
            {"a": "AB", "b": True, "c": True},
        ),
        (
            '{% macro m() %}ab{% endmacro %}"a": {{ m().upper() }}, "b": {{ m()|length }}, "c": {{ m() ~ 1 }}',
            {"a": "AB", "b": 2, "c": "ab1"},
        ),
        ('{% macro m() %}{% endmacro %}"a": {{ 1 if m() else 2 }}', {"a": 2}),
        ('{% with z = y %}"a": {{ z }}{% endwith %}', {"a": 1}),
        (
            '"a": "{% for l in [[1, [2]]] recursive %}{{ l if l is number else "(" ~ loop(l) ~ ")" }}{% endfor %}"',
            {"a": "(1(2))"},
        ),
        ('"a": [{% for l in [[1, [2]], [3]] recursive %}{{ loop(l) if l is iterable else l }},{% endfor %}]', None),
        (
            '{% set ns = namespace(n=0) %}{% for i in range(4) %}{% set ns.n = ns.n + i %}{% endfor %}"a": {{ ns.n }}',
            {"a": 6},
        ),
        (
            '"a": {{ {"b": [1, 2]}.b[1] }}, "c": {{ {"items": 1}["items"] }}, "d": {{ {"copy": 2}.copy }}',
            {"a": 2, "c": 1, "d": 2},
        ),
        (
            '"a": {{ "%05.1f|%s"|format(2.5, "x") }}, "b": {{ "{:>4}|{n:03d}".format("x", n=7) }}',
            {"a": "002.5|x", "b": "   x|007"},
        ),
        (
            '"a": {{ [3, 1]|sort }}, "b": {{ [1, 2]|map("string")|list }}, "c": {{ {"k": 1}|items }}',
            {"a": [1, 3], "b": ["1", "2"], "c": [["k", 1]]},
        ),
        ('"a": {{ [{"n": 1}, {"n": 2}]|map(attribute="n")|sum }}, "b": {{ "a b"|title }}', {"a": 3, "b": "A B"}),
        (
            '"a": {{ [1, 2, 3]|select("odd")|list }}, "b": {{ [1, 1]|unique }}, "c": {{ "x"|list }}',
            {"a": [1, 3], "b": [1], "c": ["x"]},
        ),
        ('"a": {{ missing|default(3) }}, "b": {{ missing is defined }}', {"a": 3, "b": False}),
        (
            '"a": {{ 7 // 2 }}, "b": {{ 2 ** 10 }}, "c": {{ -7 % 3 }}, "d": {{ [1] + [2] }}, "e": {{ "ab" * 2 }}',
            {"a": 3, "b": 1024, "c": 2, "d": [1, 2], "e": "abab"},
        ),
        ('"a": {{ y|tojson|tojson }}, "b": {{ ["q"|tojson, ("q"|tojson) ~ ""] }}', {"a": "1", "b": ['"q"', '"q"']}),
        (
            '"a": "{{ x|tojson }}|{{ [1, "q"]|tojson }}", "b": {{ {"k": "v"}|tojson }}',
            {"a": 'null|[1, "q"]', "b": {"k": "v"}},
        ),
        ('"a": "\\u00e9\\n{{ y }}"', {"a": "é\n1"}),
        ('"a": {{ "\\"" }}', {"a": '"'}),
    ],
)
def test_language(templates: Templates, body: str, expected: Any) -> None:
    """Jinja's language means in JSON what one expects of it; None: it is refused."""
    templates.write("{ " + body + " }")
    if expected is None:
        with pytest.raises(TemplateError):
            templates.document(x=None, y=1)
    else:
        assert expected == templates.document(x=None, y=1)


def test_includes(templates: Templates) -> None:
    """An included file is written for the place of its tag, and sees the values and the names around it."""
    templates.write(
        """{"a": "{% for i in range(2) %}{% include 'parts/text.j2' %}{% endfor %}",
        {% include "parts/nodes.j2" %},
        "c": "{% include ['nope.j2', 'parts/bare.j2'] without context %}{% include 'no.j2' ignore missing %}",
        "d": "{% macro m(i) %}<{% include 'parts/text.j2' %}>{% endmacro %}{{ m(7) }}"}""",
        parts_text="{{ i }}{{ x }};",
        parts_nodes='{% for i in range(2) %}"n{{ i }}": "{{ x }}"{% if not loop.last %},{% endif %}{% endfor %}',
        parts_bare="{{ x is defined }}",
    )
    assert {"a": '0";1";', "n0": '"', "n1": '"', "c": "false", "d": '<7";>'} == templates.document(x='"')


def test_imports(templates: Templates) -> None:
    """Imported macros are written for the place of the call; values reach them as arguments, or with context."""
    templates.write(
        """{% import "parts/lib.j2" as lib %}{% from "parts/lib.j2" import text as t with context %}
        {"a": "{{ lib.quoted(x) }}", "b": {{ lib.pair(x) }}, "c": "{{ t() }}", "d": {{ lib.NUMBER }}}""",
        parts_lib=r"""ignored {% set NUMBER = 5 %}{% macro quoted(x) %}\"{{ x }}\"{% endmacro %}
        {% macro pair(x) %}["{{ x }}", {{ x }}]{% endmacro %}{% macro text() %}{{ x }}{% endmacro %}""",
    )
    assert {"a": '"\\"', "b": ["\\", "\\"], "c": "\\", "d": 5} == templates.document(x="\\")


def test_imported_state_does_not_leak(templates: Templates) -> None:
    """A counter in an imported file starts anew in every rendering: the same values give the same prompt."""
    templates.write(
        '{% from "parts/ids.j2" import next_id %}{"{{ next_id() }}": {}, "{{ next_id() }}": {}}',
        parts_ids="{% set ns = namespace(n=0) %}{% macro next_id() %}{% set ns.n = ns.n + 1 %}{{ ns.n }}{% endmacro %}",
    )
    assert [{"1": {}, "2": {}}] * 2 == [templates.document(), templates.document()]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('{"a": "{% if x %}"{% endif %}}', 1, "this branch of {% if %} closes a string that it did not open"),
        ('{\n"a": {% if x %}"b{% else %}"c{% endif %}"}', 2, "this branch of {% if %} opens a string"),
        ('{\n"a": "{% if x %}b\n{% elif y %}"{% endif %}"}', 3, "this branch of {% elif %} closes a string"),
        ('{"a": "{% if x %}b{% else %}\n"{% endif %}}', 1, "this branch of {% else %} closes a string"),
        ('{"a": "b\n{% for i in x %}"{% endfor %}"}', 2, "this {% for %} closes a string"),
        ('{"a": {% for i in x %}1{% else %}"{% endfor %}}', 1, "{% else %} of this {% for %} opens a string"),
        ('{\n\n{% macro m() %}"a{% endmacro %}}', 3, 'the macro "m" '),
        ('{"a": 1,\n "b": "c}', 1, "the file opens a string that it does not close"),
        ('{"a": "b\\{{ x }}"}', 1, "a tag follows an unfinished escape"),
        ('{"a": \n"\\u00{{ x }}"}', 2, "a tag follows an unfinished escape"),
        ('{% macro m() %}{% endmacro %}\n{% call m() %}"{% endcall %}', 2, "this {% call %}"),
        ('{\n{% for i in x recursive %}"{% endfor %}}', 2, "this recursive {% for %}"),
        ('{"a": "{% with z = 1 %}"{% endwith %}', None, ""),
    ],
)
def test_strings_stay_balanced(templates: Templates, text: str, line: int | None, message: str) -> None:
    """A branch, loop, macro or file that leaves a string open, or closes one, is an error in its line."""
    templates.write(text)
    if line is None:
        with pytest.raises(TemplateNotJSON):
            templates.document(x=[], y=1)
        return
    with pytest.raises(TemplateError) as raised:
        templates.document(x=[], y=1)
    assert raised.value.message.startswith(message)
    assert f"workflows/{MAIN}:{line}:1" == str(raised.value.source)


def test_macros_for_one_place_only(templates: Templates) -> None:
    """A macro with escaped quotes works inside strings; outside it is refused, with its own line."""
    templates.write('{% macro m(x) %}say \\"{{ x }}\\"{% endmacro %}\n{"a": "{{ m(y) }}"}')
    assert {"a": 'say "q""'} == templates.document(y='q"')
    with pytest.raises(TemplateError, match="this does not work outside a string") as raised:
        templates.write('{% macro m(x) %}say \\"{{ x }}\\"{% endmacro %}\n{"a": {{ m(y) }}}').document(y="q")
    assert 1 == getattr(raised.value.source, "line", None)


def test_a_fragment_misused_as_a_string_is_invalid_json(templates: Templates) -> None:
    """A macro that writes a node is no text: inside a string its quotes break the JSON, and no value gets out."""
    templates.write('{% macro m(x) %}{"k": {{ x }}}{% endmacro %}{"a": "{{ m(y) }}"}')
    with pytest.raises(TemplateNotJSON):
        templates.document(y='"')


def test_changed_files_are_compiled_again(templates: Templates) -> None:
    """A compiled template is kept until its file changes, an included one as well."""
    templates.write('{"a": "{% include "parts/x.j2" %}"}', parts_x="1")
    assert {"a": "1"} == templates.document()
    templates.write('{"a": "{% include "parts/x.j2" %}"}', parts_x="22")
    assert {"a": "22"} == templates.document()
    templates.write('{"b": 1}')
    assert {"b": 1} == templates.document()


def test_values_are_not_changed(templates: Templates) -> None:
    """A template cannot change what it is given."""
    value = {"a": [1]}
    for attempt in ("x.a.append(2)", "x.update({})", "x.pop('a')", "x.a.sort()", "x.setdefault('b', 1)"):
        with pytest.raises(TemplateError):
            templates.write('{"a": {{ ' + attempt + " }}}").document(x=value)
    assert {"a": [1]} == value


def test_template_outside_the_root(tmp_path: Path, templates: Templates) -> None:
    """The template itself may lie elsewhere; what it includes is looked for below the root."""
    templates.write("", parts_x="5")
    elsewhere = tmp_path / "elsewhere.json.j2"
    elsewhere.write_text('{"a": {% include "parts/x.j2" %}}')
    assert {"a": 5} == render(elsewhere, {}, root=templates.root, shown="elsewhere.json.j2").document


def test_large_prompt(templates: Templates) -> None:
    """A prompt of 1,500 nodes from one loop is no matter of limits."""
    templates.write('{ {% for i in range(1500) %}"{{ i }}": {"inputs": {"t": "{{ t }}"}},{% endfor %} }')
    document = templates.document(t="x" * 500)
    assert (1500, 500) == (len(document), len(document["1499"]["inputs"]["t"]))
    assert json.dumps(document)


def test_windows_line_ends(templates: Templates) -> None:
    """A file with CRLF line ends, or with a byte order mark, renders as any other."""
    (templates.root / MAIN).write_bytes(b'\xef\xbb\xbf{\r\n"a": {{ x }},\r\n}\r\n')
    assert {"a": "\r\n"} == templates.document(x="\r\n")


def test_values_must_be_json(templates: Templates) -> None:
    """A value that JSON has no form for is refused, used or not."""
    templates.write('{"a": 1}')
    for value in (Path("a"), b"a", {1, 2}, object()):
        with pytest.raises(TemplateError, match="has no form in JSON"):
            templates.document(x=[value])
    with pytest.raises(TemplateError, match="NaN"):
        templates.write('{"a": {{ x }}}').document(x=float("nan"))


def test_jinja_waits_for_the_first_template() -> None:
    """Importing the package does not import Jinja: commands that render nothing answer at once."""
    code = "import sys, comfypipe.template, comfypipe.prompt.validate; print('jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False\n" == done.stdout


def test_threads_do_not_meet(templates: Templates) -> None:
    """Renderings in several threads at once give each its own prompt."""
    templates.write(
        """{% from "parts/ids.j2" import next_id %}{
        {% for x in xs %}"{{ next_id() }}": "{{ x }}",{% endfor %} }""",
        parts_ids="{% set ns = namespace(n=0) %}{% macro next_id() %}{% set ns.n = ns.n + 1 %}{{ ns.n }}{% endmacro %}",
    )
    given = [[f"{thread}-{index}" for index in range(50)] for thread in range(32)]
    with ThreadPoolExecutor(8) as pool:
        documents = list(pool.map(lambda xs: templates.document(xs=xs), given))
    assert [{str(index): x for index, x in enumerate(xs, 1)} for xs in given] == documents
