import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.manifest.document import (
    MAX_CHARACTERS,
    Mapping,
    Odd,
    Scalar,
    Sequence,
    YamlNode,
    YamlProblem,
    parse_yaml,
)


def plain(node: YamlNode) -> object:
    """Return a tree as plain values."""
    if isinstance(node, Scalar):
        return node.value()
    if isinstance(node, Sequence):
        return [plain(each) for each in node.items]
    return {key.text: plain(value) for key, value in node.pairs if isinstance(key, Scalar)}


def scalar(text: str) -> object:
    """Return what the only scalar of a document stands for."""
    node = parse_yaml(text, "a.yaml")
    assert isinstance(node, Scalar)
    return node.value()


def problem(text: str) -> str:
    """Return what is wrong with a document."""
    with pytest.raises(YamlProblem) as caught:
        parse_yaml(text, "a.yaml")
    return str(caught.value.diagnostic)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("hello", "hello"),
        ("yes", "yes"),
        ("On", "On"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("'7'", "7"),
        ('"true"', "true"),
        ("!!str 7", "7"),
        ("7", 7),
        ("-12", -12),
        ("+3", 3),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("12:30:00", "12:30:00"),
        ("2020-01-01", "2020-01-01"),
        ("1_000", "1_000"),
        ("18446744073709551615", 18446744073709551615),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_scalars_follow_the_core_rules_of_yaml_1_2(text: str, value: object) -> None:
    """Plain scalars are what YAML 1.2's core schema says, whatever YAML 1.1 made of them."""
    assert (value, type(value)) == (scalar(text), type(scalar(text)))


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        ("012", "012 is octal to some YAML readers and decimal to others", 'write 12, 0o12 or "012"'),
        (".nan", ".nan is not a finite number", 'quote it if text is meant: ".nan"'),
        ("-.inf", "-.inf is not a finite number", 'quote it if text is meant: "-.inf"'),
        ("1e999", "1e999 is too large for a number", None),
        ("18446744073709551616", "18446744073709551616 does not fit into 64 bits", "quote it if text is meant"),
        ("!foo a", "the tag !foo is not read here", "leave the tag out"),
        ("!!python/object:os.system a", "the tag tag:yaml.org,2002:python/object:os.system is not read here", None),
    ],
)
def test_scalars_that_readers_disagree_on_are_refused(text: str, problem: str, hint: str | None) -> None:
    """What one YAML reader takes for something else than another has no value, and says what to write."""
    assert Odd(problem, hint or ("leave the tag out" if "tag" in problem else None)) == scalar(text)


def test_positions_count_from_one() -> None:
    """Every node knows the line and the column of its first character."""
    root = parse_yaml("a:\n  - x\n  - {b: 1}\n", "a.yaml")
    assert isinstance(root, Mapping)
    key, value = root.pairs[0]
    assert isinstance(value, Sequence)
    assert [(1, 1), (2, 3), (2, 5), (3, 5)] == [
        (each.line, each.column) for each in (key, value, value.items[0], value.items[1])
    ]


def test_a_colon_may_stand_inside_a_plain_scalar_in_braces() -> None:
    """``{url: https://x}`` is read, though the C parser refuses it."""
    assert {"url": "https://example.com/a", "at": "12:30"} == plain(
        parse_yaml("{url: https://example.com/a, at: 12:30}", "a.yaml")
    )


def test_aliases_and_merges_are_followed() -> None:
    """An alias is what it names; ``<<`` brings in the keys that are not there, nearest first."""
    text = "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\none: *b\ntwo:\n  <<: [*b, *m]\n  x: 9\n"
    expected = {"one": {"x": 1, "y": 2}, "two": {"x": 9, "y": 2, "z": 4}}
    found = plain(parse_yaml(text, "a.yaml"))
    assert isinstance(found, dict)
    assert expected == {key: found[key] for key in ("one", "two")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "a.yaml:1:1 yaml-syntax: the file is empty\n  hint: a manifest begins with apiVersion and kind"),
        (
            "# nothing\n",
            "a.yaml:1:1 yaml-syntax: the file is empty\n  hint: a manifest begins with apiVersion and kind",
        ),
        ("a: 1\n---\nb: 2\n", "a.yaml:2:1 yaml-syntax: a second document begins here\n  hint: one manifest a file"),
        ("a: *x\n", "a.yaml:1:4 yaml-syntax: nothing above is anchored as &x"),
        ("a: &a [*a]\n", "a.yaml:1:8 yaml-syntax: nothing above is anchored as &a"),
        ("a: \x07\n", "a.yaml:1:4 yaml-syntax: the character U+0007 may not stand in YAML"),
        ("a:\n  b: \ud800", "a.yaml:2:6 yaml-syntax: the character U+D800 may not stand in YAML"),
        ("<<: 1\n", "a.yaml:1:1 yaml-syntax: << takes a mapping, or a list of mappings"),
        (
            "a: [1, 2\nb: 3\n",
            "a.yaml:2:2 yaml-syntax: did not find expected ',' or ']', while parsing a flow sequence",
        ),
        ("a: b: c\n", "a.yaml:1:5 yaml-syntax: mapping values are not allowed in this context"),
        (
            "\ta: 1\n",
            "a.yaml:1:1 yaml-syntax: found character that cannot start any token, while scanning for the next token",
        ),
    ],
)
def test_what_is_no_yaml_is_told_with_its_place(text: str, expected: str) -> None:
    """Text that cannot be read gives one diagnostic, at the character that is to blame."""
    assert expected == problem(text)


def test_a_bomb_of_aliases_is_refused() -> None:
    """Aliases of aliases are counted as what they stand for, before anything is built of them."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    expected = "a.yaml:5:55 too-large: more than 100000 values, aliases counted as what they stand for"
    assert expected == problem("\n".join(lines))


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused_and_crashes_nothing(opening: str) -> None:
    """However deep the nesting, it ends in a diagnostic: the C library would overflow the stack."""
    assert "too-large: nested deeper than 50 levels" in problem(opening * 100_000)


def test_a_huge_file_is_refused() -> None:
    """Text beyond the limit is not parsed at all."""
    expected = f"a.yaml:1:1 too-large: the file has {MAX_CHARACTERS + 1} characters; at most {MAX_CHARACTERS} are read"
    assert expected == problem("a" * (MAX_CHARACTERS + 1))


@given(st.text(max_size=300))
def test_any_text_gives_a_tree_or_a_diagnostic(text: str) -> None:
    """No text makes the parser raise anything but its own problem, with a place inside the text."""
    try:
        plain(parse_yaml(text, "a.yaml"))
    except YamlProblem as error:
        source = error.diagnostic.source
        assert source is not None
        assert 1 <= source.line <= len(text.splitlines()) + 2


@given(st.text(alphabet="[]{}:,-?&*!|>'\"%@#<~ab1 \n\t", max_size=120))
def test_any_punctuation_gives_a_tree_or_a_diagnostic(text: str) -> None:
    """The same of texts made of nothing but what YAML gives a meaning."""
    with contextlib.suppress(YamlProblem):
        plain(parse_yaml(text, "a.yaml"))
