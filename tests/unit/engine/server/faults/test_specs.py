"""Faults as they are written, and when they strike."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.engine.server.faults.faults import Fault, Faults, When
from comfypipe.engine.server.faults.kinds import KINDS, help_lines
from comfypipe.errors import UsageError


@pytest.mark.parametrize(
    ("text", "struck"),
    [
        ("once", [1]),
        ("always", [1, 2, 3, 4, 5, 6]),
        ("first:2", [1, 2]),
        ("every:2", [2, 4, 6]),
        ("nth:3", [3]),
    ],
)
def test_when(text: str, struck: list[int]) -> None:
    """Occasions count from one."""
    when = When.parse(text)
    assert struck == [count for count in range(1, 7) if when.holds(count)]


def test_each_kind_can_be_asked_for_by_its_name() -> None:
    """With its own settings and how often, and is listed with them."""
    lines = list(help_lines())
    assert len(KINDS) == len(lines)
    for kind, line in zip(KINDS.values(), lines, strict=True):
        assert (kind.name, dict(kind.settings)) == (Fault.parse(kind.name).kind.name, Fault.parse(kind.name).settings)
        assert line.startswith(kind.name)
        assert all(f"[{key}:{value}]" in line for key, value in kind.settings.items())


def test_settings_are_read_by_type() -> None:
    """A number where the default is one; text with colons and slashes elsewhere."""
    late = Fault.parse("late-history=ms:250,every:3")
    assert {"ms": 250} == late.settings
    assert {"path": "/a:b"} == Fault.parse("truncated-body=path:/a:b,always").settings


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ("lost-repply", 'there is no fault "lost-repply"', "did you mean lost-reply?"),
        (
            "lost-reply=twice",
            'the fault "lost-reply" has no setting "twice"',
            "it takes once, always, first:N, every:N or nth:N, and match:…",
        ),
        (
            "late-history=first:0",
            'the fault "late-history" has no setting "first:0"',
            "it takes once, always, first:N, every:N or nth:N, and match:…, ms:…",
        ),
        ("late-history=ms:soon", 'the fault "late-history" takes a whole number for ms, not "soon"', None),
    ],
)
def test_what_is_no_fault_is_refused(spec: str, message: str, hint: str | None) -> None:
    """With what there is instead."""
    with pytest.raises(UsageError) as caught:
        Fault.parse(spec)
    assert (message, hint) == (caught.value.message, caught.value.hint)


@given(st.text(max_size=40))
def test_any_text_is_a_fault_or_refused(text: str) -> None:
    """Nothing else ever comes of it."""
    for spec in (text, f"restart={text}"):
        try:
            Fault.parse(spec)
        except UsageError:
            continue


def test_only_what_matches_counts() -> None:
    """A prompt without the text, a path elsewhere, a prompt without the node class: no occasions."""
    faults = Faults(["lost-reply=match:red", "bad-gateway=path:/history", "out-of-memory=node:Blur"])
    assert faults.take("lost-reply", text="blue") is None
    assert faults.take("bad-gateway", path="/queue") is None
    assert faults.take("out-of-memory", classes={"Sharpen"}) is None
    assert [0, 0, 0] == [each["occasions"] for each in faults.to_json()["faults"]]
    assert faults.take("lost-reply", text="red") is not None
    assert faults.take("bad-gateway", path="/history/1") is not None
    assert faults.take("out-of-memory", classes={"Blur"}) is not None
    assert [1, 1, 1] == [each["struck"] for each in faults.to_json()["faults"]]


def test_faults_come_and_go_while_it_runs() -> None:
    """Added ones are played from then on; a wrong one among them adds none."""
    faults = Faults()
    with pytest.raises(UsageError):
        faults.add("lost-reply", "nonsense")
    assert faults.take("lost-reply") is None
    faults.add("lost-reply")
    assert (0, True, 1) == (
        faults.struck("lost-reply"),
        faults.take("lost-reply") is not None,
        faults.struck("lost-reply"),
    )
    faults.add("lost-reply")
    faults.clear()
    assert faults.take("lost-reply") is None


def test_the_page_has_them_all(root: Path) -> None:
    """Each with its settings and their defaults."""
    page = (root / "docs" / "engine-server.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    for kind in KINDS.values():
        settings = [f"`{key}:" for key in kind.settings]
        assert [True for _ in settings] == [each in rows[kind.name] for each in settings]
        assert kind.when != "always" or "`always`" in rows[kind.name]
