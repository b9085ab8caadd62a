"""Nothing that a template can say runs for long or grows without end."""

import time

import pytest
from tests.unit.template.builders import Templates

from comfypipe.errors import TemplateError, TemplateTooExpensive
from comfypipe.template import Limits

BRIEF = Limits(time_s=0.3)

TOO_EXPENSIVE = [
    '{{ "a" * 500000000 }}',
    '{{ 500000000 * "a" }}',
    "{{ ([1] * 500000000)|length }}",
    "{{ range(10**9)|length }}",
    "{% for i in range(10**9) %}{% endfor %}",
    "{% for i in range(r) %}{% for j in range(r) %}{% endfor %}{% endfor %}",
    "{% for i in range(r) %}{% for j in range(r) if false %}{% endfor %}{% endfor %}",
    "{% for i in range(r) %}{% for j in range(r) %}{{ i }}{% endfor %}{% endfor %}",
    "{% macro m() %}{% for i in range(r) %}{% for j in range(r) %}aaaa{% endfor %}{% endfor %}{% endmacro %}{{ m() }}",
    "{% set x %}{% for i in range(r) %}{% for j in range(r) %}a{% endfor %}{% endfor %}{% endset %}",
    "{% filter upper %}{% for i in range(r) %}{% for j in range(r) %}a{% endfor %}{% endfor %}{% endfilter %}",
    '{{ "x".center(10**9) }}',
    '{{ "x".ljust(10**9) }}',
    '{{ "x".zfill(10**9) }}',
    '{{ "x"|center(10**9) }}',
    '{{ "a"|indent(10**9, true) }}',
    '{{ ("\\t" * 100000).expandtabs(10**6) }}',
    '{{ ("a" * 1000000).replace("a", "b" * 1000000) }}',
    '{{ ("a" * 1000000)|replace("a", "b" * 1000000) }}',
    '{{ ("a" * 1000000).join(("b " * 1000000).split()) }}',
    '{{ ("b " * 500000).split()|join("a" * 1000000) }}',
    '{{ ("%s" * 1000000) % (("a" * 1000000,) * 3) }}',
    '{{ "%(a)s%(a)s"|format(a="x" * 9000000) }}',
    '{{ "{0}{0}{0}".format("x" * 9000000) }}',
    "{{ 10 ** (10 ** 8) }}",
    "{{ (-2) ** 100000 }}",
    "{% set n = namespace(x=2) %}{% for i in range(100) %}{% set n.x = n.x * n.x %}{% endfor %}",
    '{% set n = namespace(x="a") %}{% for i in range(100) %}{% set n.x = n.x + n.x %}{% endfor %}',
    '{% set n = namespace(x="a") %}{% for i in range(100) %}{% set n.x = n.x ~ n.x %}{% endfor %}',
    "{% set n = namespace(x=[1]) %}{% for i in range(100) %}{% set n.x = [n.x, n.x] %}{% endfor %}",
    '{% set n = namespace(x=[1]) %}{% for i in range(100) %}{% set n.x = {"a": n.x, "b": n.x} %}{% endfor %}',
    "{% set n = namespace(x=[1]) %}{% for i in range(100) %}{% set n.x = dict(a=n.x, b=n.x) %}{% endfor %}",
    "{% set n = namespace(x=[]) %}{% for i in range(r) %}{% set n.x = (n.x,) %}{% endfor %}{{ {n.x: 1}|length }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(x) %}{{ m([x, x]) }}{% endmacro %}{{ m(1) }}",
    "{% macro m() %}{{ m(varargs, varargs) }}{% endmacro %}{{ m(1) }}",
    "{% macro m(x) %}{{ x ~ x }}{% endmacro %}{% set n=namespace(x=q)%}{% for i in q %}{% set n.x=m(n.x)%}{% endfor %}",
    "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    '{% include "again.j2" %}',
    '{% import "again.j2" as x %}',
    '{% from "again.j2" import x with context %}',
    "{{ [1]|batch(10**9, 0)|length }}",
    "{{ [1]|slice(10**9)|length }}",
    '{{ range(r)|map("center", 1000)|length }}',
    '{{ range(r)|map("replace", "", "b" * 1000000)|length }}',
    '{{ ("f" * 1000000)|int(base=16) }}',
    '{{ ("a" * 16000000)|list|length }}',
    '{{ ("a" * 16000000).split("a")|length }}',
    '{{ ("a " * 5000000)|title|length }}',
    "{% set a = [0] * r %}{% set b = [0] * r %}{% for i in range(r) %}{% if a == b %}{% endif %}{% endfor %}",
    "{% set a = [0] * 400000 %}{% set b = [0] * 400000 %}{% for i in range(r) if a == b %}{% endfor %}",
    "{% set a = range(r)|list %}{% for i in range(r) %}{% set x = a|sort(reverse=true) %}{% endfor %}",
    '{% for i in range(r) %}{% set x = ("a" * 1000000)|urlencode %}{% endfor %}',
    '{% for i in range(r) %}{% set x = ("ab" * 4000000).count("ab") %}{% endfor %}',
    '{% for i in range(r) %}{% set x = ("ab" * 4000000)[1:] %}{% endfor %}',
    "{{ [[[[[[[[0] * 10] * 10] * 10] * 10] * 10] * 10] * 10] * 10 }}",
    "{% for i in range(r) %}{% set x = dict({}, a=[0] * r) %}{% endfor %}",
    '{% set n = namespace(l=[]) %}{% for i in range(99) %}{% set n.l = n.l + [cycler("a" * r * 99)] %}{% endfor %}',
    '{% for n in [namespace()] * 999 %}{% set n.x = "a" * 9999999 ~ loop.index %}{% endfor %}',
    "{{ range(0, r * (2 ** 61 - 1), 2 ** 61 - 1)|unique|length }}",
]

REFUSED = [
    '{{ "%999999999d"|format(1) }}',
    '{{ "%999999999d" % 1 }}',
    '{{ "%*d" % (999999999, 1) }}',
    '{{ "%.999999999f" % 1.5 }}',
    '{{ "{:>999999999}".format(1) }}',
    '{{ "{:{}}".format(1, 10**9) }}',
    '{{ "{a}".format_map({"a": 1}) }}',
    '{{ "{0.__class__}".format(1) }}',
    "{{ 5|round(-10**9) }}",
    '{{ 5.5|round(10**9, "ceil") }}',
    "{{ [[1], [2]]|sum(start=[]) }}",
    "{{ 2.5 ** 100000 }}",
    '{{ "a".encode("utf-8") }}',
    '{{ "a".translate({97: "b" * 1000000}) }}',
    '{{ "".__class__.__mro__ }}',
    '{{ ""["__class__"] }}',
    '{{ [""]|map(attribute="__class__")|first }}',
    '{{ [5]|map("json spend")|first }}',
    '{{ [5]|map("json emit", (0, 0), ("x", 1))|first }}',
    "{{ lipsum(5) }}",
    "{{ [1, 2]|random }}",
    '{{ x|attr("upper") }}',
    "{{ x|safe }}",
    '{% set n = namespace() %}{% set n.x = n %}{{ n ~ "" }}',
    "{% set n = namespace() %}{% set n.x = n %}{{ n|string }}",
    '{% set n = namespace() %}{% set n.x = n %}{{ "%s"|format(n) }}',
    '{% set n = namespace() %}{% set n.x = n %}{{ "%s" % [n] }}',
    "{{ ().__class__ }}",
    "{{ range.__globals__ }}",
    "{{ cycler.__init__.__globals__ }}",
    "{% macro m() %}{% endmacro %}{{ m._func }}",
    "{% macro m() %}{% endmacro %}{{ m().parts }}",
    "{{ self._TemplateReference__context }}",
    "{{ namespace.__class__ }}",
    "{{ x.format.__globals__ }}",
    "{% set _comfypipe_1 = 5 %}",
    "{{ dict.fromkeys(range(5)) }}",
    "{{ dict([[1, 2]]) }}",
    "{{ x|tojson|safe }}",
]


@pytest.mark.parametrize("text", TOO_EXPENSIVE, ids=range(len(TOO_EXPENSIVE)))
@pytest.mark.parametrize("around", ['{"a": "%s"}', '{%% set kept %%}%s{%% endset %%}{"a": 1}'], ids=["inside", "set"])
def test_too_expensive(templates: Templates, text: str, around: str) -> None:
    """What would take for ever or fill the memory is stopped: before it begins, or when the time is over."""
    templates.write(
        around.replace("%s", text).replace("%%", "%"), again='{% include "again.j2" %}{% import "again.j2" as x %}'
    )
    started = time.process_time()
    with pytest.raises(TemplateTooExpensive):
        templates.rendered(BRIEF, x="x", r=100_000, q="q" * 100)
    assert time.process_time() - started < 5  # the longest single operation on the largest value, and slow machines


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_refused(templates: Templates, text: str) -> None:
    """What leads to Python's insides, or hides how large it grows, is refused."""
    with pytest.raises(TemplateError):
        templates.write('{"a": "' + text + '"}').rendered(BRIEF, x="x", r=100_000, q="q" * 100)


def test_limits_can_be_set(templates: Templates) -> None:
    """Every limit is the caller's to set."""
    templates.write('{"a": "{{ x * 1000 }}"}')
    assert {"a": "x" * 1000} == templates.rendered(Limits(size=2000), x="x").document
    for limits in (Limits(size=999), Limits(time_s=0)):
        with pytest.raises(TemplateTooExpensive):
            templates.rendered(limits, x="x")
    templates.write('{% macro m(n) %}{{ m(n - 1) if n }}{% endmacro %}{"a": "{{ m(9) }}"}')
    assert {"a": ""} == templates.rendered(Limits(depth=10)).document
    with pytest.raises(TemplateTooExpensive, match="nested more than 9 deep"):
        templates.rendered(Limits(depth=9))


def test_values_count_too(templates: Templates) -> None:
    """A value that is larger than a template may hold, or nested without end, is refused at once."""
    nested: list[object] = []
    for _ in range(1000):
        nested = [nested]
    circular: list[object] = []
    circular.append(circular)
    templates.write('{"a": 1}')
    for value in ("x" * 3000, list(range(3000)), nested, circular, {"k": nested}, 2**5000):
        with pytest.raises(TemplateTooExpensive):
            templates.rendered(Limits(size=2000), x=value)


def test_large_files(templates: Templates) -> None:
    """A template of more than a megabyte is refused unread; so is one that would take long to compile."""
    with pytest.raises(TemplateError, match="larger than"):
        templates.write(" " * 1_100_000).document()
    for text in ("{{ x }}" * 20_001, "{% set y = [" + "1," * 100_000 + "] %}"):
        with pytest.raises(TemplateTooExpensive, match="more than 20000 tags"):
            templates.write(text).document(x=1)
    deep = {
        "expression": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "blocks": "{% for i in x %}" * 60 + "{% endfor %}" * 60,
    }
    for text in deep.values():
        with pytest.raises(TemplateError):
            templates.write('{"a": ' + text + "}").document(x=[])
