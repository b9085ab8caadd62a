"""Nodes that plan the strength of hooks."""

import logging
from typing import Any

import numpy as np
import pytest

from comfypipe.engine.nodes.hooks import NODES
from comfypipe.engine.registry import Registry
from comfypipe.engine.sampling import Keyframe, Keyframes

REGISTRY = Registry(NODES)


def plan(class_type: str, **inputs: Any) -> Keyframes:
    """Run a node."""
    (keyframes,) = REGISTRY[class_type].function(**inputs)  # type: ignore[misc]
    assert isinstance(keyframes, Keyframes)
    return keyframes


def interpolated(interpolation: str, **inputs: Any) -> Keyframes:
    """Plan three keyframes from 0 to 1."""
    given = {"strength_start": 0.0, "strength_end": 1.0, "start_percent": 0.0, "end_percent": 1.0}
    options = {"keyframes_count": 5, "print_keyframes": False}
    return plan("CreateHookKeyframesInterpolated", interpolation=interpolation, **(given | options | inputs))


def test_keyframes_are_kept_in_order_of_their_start() -> None:
    """One that is added goes where it belongs; those that start together stay in the order they came."""
    late = plan("CreateHookKeyframe", strength_mult=2.0, start_percent=0.5)
    early = plan("CreateHookKeyframe", strength_mult=3.0, start_percent=0.25, prev_hook_kf=late)
    again = plan("CreateHookKeyframe", strength_mult=4.0, start_percent=0.25, prev_hook_kf=early)
    assert (Keyframe(3.0, 0.25), Keyframe(4.0, 0.25), Keyframe(2.0, 0.5)) == again.items
    assert (Keyframe(2.0, 0.5),) == late.items


@pytest.mark.parametrize(
    ("interpolation", "wanted"),
    [
        ("linear", [0, 0.25, 0.5, 0.75, 1]),
        ("ease_in", [0, 0.0625, 0.25, 0.5625, 1]),
        ("ease_out", [0, 0.4375, 0.75, 0.9375, 1]),
        ("ease_in_out", [0, 0.146447, 0.5, 0.853553, 1]),
    ],
)
def test_strengths_follow_the_curve(interpolation: str, wanted: list[float]) -> None:
    """From start to end, at even distances; only the first is guaranteed a step."""
    found = interpolated(interpolation)
    assert pytest.approx(wanted, abs=1e-6) == [each.strength for each in found.items]
    assert [0, 0.25, 0.5, 0.75, 1] == [each.start_percent for each in found.items]
    assert [1, 0, 0, 0, 0] == [each.guarantee_steps for each in found.items]


def test_numbers_become_keyframes() -> None:
    """A list of strengths is spread over the range; one number is one keyframe, where the range starts."""
    given = {"start_percent": 0.2, "end_percent": 0.6, "print_keyframes": False}
    several = plan("CreateHookKeyframesFromFloats", floats_strength=[1.0, 0.5, 2.0], **given)
    assert [1.0, 0.5, 2.0] == [each.strength for each in several.items]
    assert pytest.approx([0.2, 0.4, 0.6]) == [each.start_percent for each in several.items]
    (one,) = plan("CreateHookKeyframesFromFloats", floats_strength=3, **given).items
    assert (3.0, float(np.float32(0.2)), 1) == (one.strength, one.start_percent, one.guarantee_steps)


@pytest.mark.parametrize("wrong", ["text", None, object()])
def test_strengths_that_are_none_are_refused(wrong: object) -> None:
    """With the input's name, and an exception of ComfyUI's type."""
    with pytest.raises(Exception, match="floats_strength: expected a number") as caught:
        plan(
            "CreateHookKeyframesFromFloats",
            floats_strength=wrong,
            start_percent=0.0,
            end_percent=1.0,
            print_keyframes=False,
        )
    assert Exception is type(caught.value)


def test_keyframes_are_printed_where_asked(caplog: pytest.LogCaptureFixture) -> None:
    """A line each, in the log."""
    with caplog.at_level(logging.INFO):
        interpolated("linear", keyframes_count=2, print_keyframes=True)
    assert ["hook keyframe from 0 on: 0", "hook keyframe from 1 on: 1"] == caplog.messages
