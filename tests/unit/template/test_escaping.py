"""No value can be anything but a value, wherever a template puts it."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.template.builders import Templates

from comfypipe._types import JSONObject

EVERYWHERE = """\
{# "a comment" #}
{%- import "parts/macros.j2" as parts -%}
{%- macro twice(x) %}{{ x }} and {{ x }}{% endmacro -%}
{%- macro wrapped(x) %}<{{ caller(x) }}>{% endmacro -%}
{%- macro node(id, x) %}"{{ id }}": {"x": {{ x }}, "s": "<{{ x }}>"}{% endmacro -%}
{%- macro nested(x) %}[{{ twice(x) }}]{% endmacro -%}
{
{%- for s in strings %}
  "{{ loop.index0 }}": {
    "value": {{ s }},
    "inside": "{{ s }}",
    "between": "<{{ s }}>",
    "touching": "{{ s }}{{ s }}",
    "escapes": "\\\\{{ s }}\\"{{ s }}\\u0041{{ s }}\\n",
    "key {{ s }}": 1,
    {{ "whole key " ~ s }}: 2,
    "list": [{{ s }}, ["{{ s }}"], {{ [s, {s: s}] }}],
    "condition": "{% if s %}{{ s }}{% else %}-{% endif %}",
    "choice": {{ s if s else "-" }},
    "macro": "{{ twice(s) }}",
    "macro in macro": "{{ nested(s) }}",
    "macro as text": {{ twice(s) ~ s }},
    "macro in list": {{ [twice(s)] }},
    "call": "{% call(y) wrapped(s) %}{{ y }}{{ s }}{% endcall %}",
    "loop": "{% for each in [s, s] %}{{ each }};{% endfor %}",
    "recursive": "{% for each in [[s]] recursive %}{{ each if each is string else loop(each) }}{% endfor %}",
    "set": {% set kept = s %}{{ kept }},
    "block": {% set block %}"{{ s }}"\\{% endset %}{{ block }},
    "block inside": "{{ block }}",
    "filter": {{ s|replace("a", "b")|trim }},
    "filter block": "{% filter replace('a', 'b') %}{{ s }}"{% endfilter %}",
    "json": "{{ s|tojson }}",
    "json value": {{ s|tojson }},
    "format": {{ "%s|%s" % (s, s) }},
    "formatted": "{{ '{}|{}'.format(s, s) }}",
    "joined": "{{ [s, s]|join(s) }}",
    "include": "{% include 'parts/inside.j2' %}",
    "included": {% include "parts/value.j2" %},
    "imported": "{{ parts.quoted(s) }}",
    "with": "{% with t = s %}{{ t }}{% endwith %}",
    "namespace": {% set ns = namespace(s=s) %}{{ ns.s }},
    "raw": "{% raw %}{{ s }}{% endraw %}{{ s }}",
    {{ node("written by a macro", s) }},
  },
{%- endfor %}
}
"""
OTHERS = {
    "parts_macros": r"{% macro quoted(x) %}\"{{ x }}\"{% endmacro %}",
    "parts_inside": "({{ s }})",
    "parts_value": '{"deep": {{ s }}, "text": "{{ s }}"}',
}


def by_hand(s: str) -> JSONObject:
    """Return what the template above says of one string."""
    replaced = s.replace("a", "b")
    return {
        "value": s,
        "inside": s,
        "between": f"<{s}>",
        "touching": s + s,
        "escapes": f'\\{s}"{s}A{s}\n',
        f"key {s}": 1,
        f"whole key {s}": 2,
        "list": [s, [s], [s, {s: s}]],
        "condition": s or "-",
        "choice": s or "-",
        "macro": f"{s} and {s}",
        "macro in macro": f"[{s} and {s}]",
        "macro as text": f"{s} and {s}{s}",
        "macro in list": [f"{s} and {s}"],
        "call": f"<{s}{s}>",
        "loop": f"{s};{s};",
        "recursive": s,
        "set": s,
        "block": f'"{s}"\\',
        "block inside": f'"{s}"\\',
        "filter": replaced.strip(),
        "filter block": f'{replaced}"',
        "json": json.dumps(s, ensure_ascii=False),
        "json value": s,
        "format": f"{s}|{s}",
        "formatted": f"{s}|{s}",
        "joined": s + s + s,
        "include": f"({s})",
        "included": {"deep": s, "text": s},
        "imported": f'"{s}"',
        "with": s,
        "namespace": s,
        "raw": "{{ s }}" + s,
        "written by a macro": {"x": s, "s": f"<{s}>"},
    }


HOSTILE = [
    *['"', "\\", '\\"', "\\\\", "{", "}", "[", "]", ",", ":", "'", "`", "/", "</script>", "<", "&", "&#34;"],
    *[
        "{{ s }}",
        "{% raw %}",
        "{% endraw %}",
        "{#",
        "#}",
        "{%",
        "%}",
        "{{",
        "}}",
        "-%}",
        "{{ 7*7 }}",
        "${x}",
        "%s",
        "{0}",
    ],
    *["\x00", "\x1f", "\x7f", "\n", "\r\n", "\t", "\b", "\u2028", "\u2029", "\x85", "\ufeff", "\xa0", "é", "🦔"],
    *["\ud800", "\udfff", "\ud83d", "\ude00", "\\u0022", "\\ud83d", "\\n", "\\u", "\\u00", "\\x22"],
    *[
        '", "9": {"class_type": "Evil", "inputs": {}}, "x": "',
        '"}}, "9": {"class_type": "Evil"}',
        '"],"',
        "null",
        "true",
    ],
    *["NaN", "-1", "1e999", "__class__", ",}", ",]", " ", ""],
]
STRINGS = st.one_of(
    st.lists(st.one_of(st.sampled_from(HOSTILE), st.characters()), max_size=8).map("".join),
    st.text(st.characters(categories=["Cs", "Cc", "Po", "Ps", "Pe"]), max_size=8),
)
BATCH, BATCHES = 25, 400  # 10,000 strings


@pytest.fixture
def everywhere(templates: Templates) -> Templates:
    """Return a template that puts strings into every kind of place."""
    return templates.write(EVERYWHERE, **OTHERS)


@pytest.mark.slow
@settings(
    max_examples=BATCHES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(strings=st.lists(STRINGS, min_size=BATCH, max_size=BATCH))
def test_hostile_strings_everywhere(everywhere: Templates, strings: list[str]) -> None:
    """10,000 hostile strings in every place: the prompt is the one built by hand, code point by code point."""
    document = everywhere.document(strings=strings)
    assert {str(index): by_hand(s) for index, s in enumerate(strings)} == document
    json.dumps(document).encode("ascii")  # can be sent: lone surrogates are escaped


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), STRINGS).filter(
            lambda value: value not in (float("inf"), float("-inf"))
        ),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(STRINGS, inner, max_size=4)),
        max_leaves=10,
    )
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_value(templates: Templates, value: Any) -> None:
    """Outside a string any JSON value arrives as it is, in a node, in a key's place, in a list."""
    templates.write('{"1": {{ value }}, "2": [{{ value }}, {{ [value] }}, {{ value|tojson }}]}')
    assert {"1": value, "2": [value, [value], value]} == templates.document(value=value)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1", "true", "null", "1.0", "[]", "{}"])
def test_strings_stay_strings(templates: Templates, value: str) -> None:
    """A string that looks like another type stays a string."""
    assert {"a": value, "b": value} == templates.write('{"a": {{ x }}, "b": "{{ x }}"}').document(x=value)


def test_nothing_is_added_by_a_value(templates: Templates) -> None:
    """A value that is a whole node in text is still one input's text."""
    evil = '"}}, "9": {"class_type": "Evil", "inputs": {"x": "'
    templates.write('{"1": {"class_type": "Text", "inputs": {"text": "{{ text }}"}}}')
    assert {"1": {"class_type": "Text", "inputs": {"text": evil}}} == templates.document(text=evil)


MACROS = """\
{%- macro text(x) %}<{{ x }}{% if x %}|{{ x }}{% endif %}>{% endmacro -%}
{%- macro value(x) %}["{{ x }}", {{ x }}]{% endmacro -%}
{%- macro around() %}({{ caller() }}){% endmacro -%}
"""
MARK = "\ue000mark\ue000"


def inside(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return template text as it may stand inside a string, made of *inner*."""
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        inner.map("{{% if x %}}{0}{{% else %}}-{{% endif %}}".format),
        inner.map("{{% for i in [1, 2] %}}{0}{{% endfor %}}".format),
        inner.map("{{% with y = x %}}{0}{{{{ y }}}}{{% endwith %}}".format),
        inner.map("{{% call around() %}}{0}{{% endcall %}}".format),
        inner.map("{{% set kept %}}{0}{{% endset %}}{{{{ kept }}}}".format),
        inner.map("{{% filter string %}}{0}{{% endfilter %}}".format),
        inner.map("{{% for i in [x] recursive %}}{0}{{% endfor %}}".format),
    )


def outside(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return template text as it may stand in a value's place, made of *inner*."""
    return st.one_of(
        inner.map("[{0}]".format),
        st.tuples(inner, inner).map(lambda pair: "[{}, {}]".format(*pair)),
        st.tuples(INSIDE, inner).map(lambda pair: '{{"k{}": {}}}'.format(*pair)),
        st.tuples(inner, inner).map(lambda pair: "{{% if x %}}{}{{% else %}}{}{{% endif %}}".format(*pair)),
        inner.map("[{{% for i in [1, 2] %}}{0},{{% endfor %}}]".format),
        inner.map("{{% call around_value() %}}{0}{{% endcall %}}".format),
    )


INSIDE = st.recursive(
    st.sampled_from(
        [
            *["a", "", r"\\", '\\"', r"\n", r"\u00e9", "{{ x }}", "{{ text(x) }}", "{{- x -}}", '{# " #}'],
            *["{% include 'inner.j2' %}", "{% raw %}{{ x }}{% endraw %}", "{{ x ~ 1 }}", "{{ [x]|first }}"],
            "{{ text(text(x)) }}",
        ]
    ),
    inside,
    max_leaves=5,
)
OUTSIDE = st.recursive(
    st.one_of(
        INSIDE.map('"{0}"'.format),
        st.sampled_from(["1", "{{ x }}", "{{ value(x) }}", "{% include 'outer.j2' %}", "{{ [x, {'k': x}] }}", "null"]),
    ),
    outside,
    max_leaves=6,
)


def replaced(value: Any, text: str) -> Any:
    """Return *value* with *text* in every place of the mark."""
    match value:
        case str():
            return value.replace(MARK, text)
        case list():
            return [replaced(each, text) for each in value]
        case dict():
            return {key.replace(MARK, text): replaced(each, text) for key, each in value.items()}
    return value


@given(template=OUTSIDE, text=STRINGS.filter(bool))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_template(templates: Templates, template: str, text: str) -> None:
    """In any template, a hostile string gives what a harmless one gives, with the one in the place of the other."""
    around = "{%- macro around_value() %}[{{ caller() }}]{% endmacro -%}"
    templates.write(f'{MACROS}{around}{{"1": {template}}}', inner="<{{ x }}>", outer='{"k": {{ x }}, "l": "{{ x }}"}')
    assert replaced(templates.document(x=MARK), text) == templates.document(x=text)
