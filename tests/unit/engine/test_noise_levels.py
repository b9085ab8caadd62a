"""Noise levels fall from the largest to 0, as their formulas say."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from comfypipe.engine import noise_levels
from comfypipe.engine.nodes.sigmas import NODES
from comfypipe.engine.noise_levels import ALIGNED, OPTIMAL, SPACINGS, Sigmas
from comfypipe.engine.pixels.fused import torch_linspace
from comfypipe.engine.registry import Registry

REGISTRY = Registry(NODES)


def run(class_type: str, **inputs: Any) -> Any:
    """Call a node and return its only output, or all of them."""
    result = REGISTRY[class_type].function(**inputs)
    assert isinstance(result, tuple)
    return result[0] if len(result) == 1 else result


@pytest.mark.parametrize(
    "levels",
    [
        lambda steps: noise_levels.karras(steps, 14.6, 0.03, 7.0),
        lambda steps: noise_levels.exponential(steps, 14.6, 0.03),
        lambda steps: noise_levels.polyexponential(steps, 14.6, 0.03, 1.5),
        lambda steps: noise_levels.variance_preserving(steps, 19.9, 0.1, 0.001),
        lambda steps: noise_levels.from_table(ALIGNED["SD1"], steps, 1.0),
        lambda steps: noise_levels.from_table(OPTIMAL["Chroma"], steps, 1.0),
        lambda steps: noise_levels.shifted(steps, 2.05, 0.95, True, 0.1, (4, 16, 24)),
    ],
)
def test_levels_fall_to_zero(levels: Callable[[int], Sigmas]) -> None:
    """So many steps have one level more, each less than the one before it, and the last is 0."""
    for steps in (3, 10, 40, 101):
        sigmas = levels(steps)
        assert (steps + 1, "float32") == (len(sigmas), sigmas.dtype.name)
        assert (np.diff(sigmas) < 0).all()
        assert 0 == sigmas[-1]


@given(steps=st.integers(1, 50), sigma_max=st.floats(0.1, 5000), sigma_min=st.floats(0.001, 0.1), rho=st.floats(1, 20))
def test_ends_are_those_asked_for(steps: int, sigma_max: float, sigma_min: float, rho: float) -> None:
    """The first level is the largest, and the last before 0 the smallest, but for rounding."""
    for sigmas in (
        noise_levels.karras(steps, sigma_max, sigma_min, rho),
        noise_levels.exponential(steps, sigma_max, sigma_min),
        noise_levels.polyexponential(steps, sigma_max, sigma_min, rho),
    ):
        assert pytest.approx(sigma_max, rel=1e-3) == sigmas[0]
        assert steps == 1 or pytest.approx(sigma_min, rel=1e-2, abs=sigma_max * 1e-6) == sigmas[-2]


def test_tables_are_given_as_they_are() -> None:
    """As many steps as a table has give its levels, with 0 for the last."""
    for table in (*ALIGNED.values(), *OPTIMAL.values()):
        expected = np.array([*table[:-1], 0], np.float32)
        np.testing.assert_array_equal(expected, noise_levels.from_table(table, len(table) - 1, 1.0))


@pytest.mark.parametrize(("expected", "denoise"), [(0, 0.0), (1, 0.01), (6, 0.5), (11, 1.0), (11, 7.0)])
def test_denoise_takes_the_last_part(expected: int, denoise: float) -> None:
    """A part of the denoising is the last part of the levels, down to none."""
    assert expected == len(noise_levels.from_table(ALIGNED["SDXL"], 10, denoise))


def test_laplace_is_kept_in_bounds() -> None:
    """The tails of the distribution are cut at the largest and smallest level."""
    sigmas = noise_levels.laplace(5, 14.0, 0.03, 0.0, 0.5)
    np.testing.assert_allclose(sigmas, [14, 2**0.5, 1, 0.5**0.5, 0.03], rtol=1e-4)


@pytest.mark.parametrize(
    ("message", "levels"),
    [
        ("sigma_min: 0, must be", lambda: noise_levels.exponential(5, 1.0, 0.0)),
        ("sigma_max: 0, must be", lambda: noise_levels.polyexponential(5, 0.0, 0.1, 1.0)),
        (
            "model_type: 'SD9', expected one of SD1, SDXL, SVD",
            lambda: run("AlignYourStepsScheduler", model_type="SD9", steps=1, denoise=1),
        ),
        ("sigmas: there is no first one", lambda: run("SetFirstSigma", sigmas=np.zeros(0, np.float32), sigma=1.0)),
    ],
)
def test_refused(message: str, levels: Callable[[], Any]) -> None:
    """What has no logarithm, no root, no table and no first level is named."""
    with pytest.raises(ValueError, match=message):
        levels()


def test_a_root_of_order_zero_is_a_division_by_zero() -> None:
    """Said of the input that asks for it."""
    with pytest.raises(ZeroDivisionError, match="rho: 0, must be more than 0"):
        noise_levels.karras(5, 1.0, 0.1, 0.0)


@given(steps=st.integers(1, 31), sigma_max=st.floats(1, 100), rho=st.floats(0.3, 20))
def test_powers_are_rounded_once(steps: int, sigma_max: float, rho: float) -> None:
    """Each of the levels is the float32 nearest to the power of its root, squares and cubes apart."""
    assume(rho not in (2, 3))
    high, low = np.float32(sigma_max ** (1 / rho)), 0.5 ** (1 / rho)
    roots = high + torch_linspace(0, 1, steps) * np.float32(low - sigma_max ** (1 / rho))
    expected = [np.float32(float(root) ** rho) for root in roots]
    np.testing.assert_array_equal([*expected, 0], noise_levels.karras(steps, sigma_max, 0.5, rho))


def test_squares_and_cubes_are_multiplied_out() -> None:
    """With a rounding after each product."""
    roots = np.float32(3**0.5) + torch_linspace(0, 1, 9) * np.float32(0.1**0.5 - 3**0.5)
    np.testing.assert_array_equal([*roots * roots, 0], noise_levels.karras(9, 3.0, 0.1, 2.0))
    roots = np.float32(3 ** (1 / 3)) + torch_linspace(0, 1, 9) * np.float32(0.1 ** (1 / 3) - 3 ** (1 / 3))
    np.testing.assert_array_equal([*roots * roots * roots, 0], noise_levels.karras(9, 3.0, 0.1, 3.0))


SIGMAS = np.array([4, 3, 2, 1, 0], np.float32)


@pytest.mark.parametrize(
    ("high", "low", "denoise"),
    [([4, 3, 2], [2, 1, 0], 0.4), ([], [0], 0.0), ([4, 3], [3, 2, 1, 0], 0.8), ([4], [4, 3, 2, 1, 0], 1.0)],
)
def test_split_by_denoise(high: list[float], low: list[float], denoise: float) -> None:
    """The last part of the steps goes to the second output; both have the level between."""
    first, second = run("SplitSigmasDenoise", sigmas=SIGMAS, denoise=denoise)
    np.testing.assert_array_equal(high, first)
    np.testing.assert_array_equal(low, second)


def test_split_flip_and_first() -> None:
    """Levels are split at a step, turned round without a 0 in front, and given another first one."""
    high, low = run("SplitSigmas", sigmas=SIGMAS, step=2)
    np.testing.assert_array_equal([4, 3, 2], high)
    np.testing.assert_array_equal([2, 1, 0], low)
    np.testing.assert_allclose(run("FlipSigmas", sigmas=SIGMAS), [0.0001, 1, 2, 3, 4])
    assert 0 == len(run("FlipSigmas", sigmas=SIGMAS[:0]))
    np.testing.assert_array_equal([9, 3, 2, 1, 0], run("SetFirstSigma", sigmas=SIGMAS, sigma=9.0))


@pytest.mark.parametrize(
    ("expected", "start_at_sigma", "end_at_sigma"),
    [([4, 3.5, 3, 2.5, 2, 1, 0], -1.0, 2.5), ([4, 3, 2.5, 2, 1.5, 1, 0], 3.0, 2.0), ([4, 3, 2, 1, 0], 9.0, 9.0)],
)
def test_extend(expected: list[float], start_at_sigma: float, end_at_sigma: float) -> None:
    """Levels are put between those that begin inside the range, and nowhere else."""
    inputs = {"steps": 2, "start_at_sigma": start_at_sigma, "end_at_sigma": end_at_sigma, "spacing": "linear"}
    np.testing.assert_allclose(run("ExtendIntermediateSigmas", sigmas=SIGMAS, **inputs), expected)


def test_spacings_meet_at_the_ends() -> None:
    """Every spacing goes from 0 to 1."""
    for spacing in SPACINGS.values():
        np.testing.assert_allclose(spacing(np.array([0, 1], np.float32)), [0, 1], atol=1e-6)


def test_a_single_stretched_level_is_what_rounding_leaves() -> None:
    """A number is divided by a level as it is multiplied by its reciprocal: just below 1, stretched to *terminal*."""
    levels = noise_levels.shifted(1, 2.05, 50.0, True, 0.25, (64, 64))
    assert [0.25, 0] == levels.tolist()


def test_larger_latents_are_shifted_further() -> None:
    """More tokens hold the levels up longer."""
    small, large = (
        run(
            "LTXVScheduler",
            steps=5,
            max_shift=2.05,
            base_shift=0.95,
            stretch=False,
            terminal=0.1,
            latent={"samples": np.zeros(shape, np.float32)},
        )
        for shape in ((1, 128, 2, 16, 16), (1, 128, 8, 32, 32))
    )
    assert (large[1:-1] > small[1:-1]).all()


@pytest.mark.parametrize("coeff", [0.8, 1.2, 1.5])
def test_levels_of_gits_are_those_of_its_table(coeff: float) -> None:
    """2 to 20 steps are written down, from the same first level on; more are interpolated; the last is 0."""
    for steps in (2, 10, 20, 21, 64):
        sigmas = run("GITSScheduler", coeff=coeff, steps=steps, denoise=1.0)
        assert (steps + 1, 0, True) == (len(sigmas), sigmas[-1], bool((np.diff(sigmas) < 0).all()))
        assert pytest.approx(14.614641) == sigmas[0]


def test_levels_of_gits_are_the_papers() -> None:
    """Those of two and of five steps, as printed."""
    two = run("GITSScheduler", coeff=0.8, steps=2, denoise=1.0)
    assert [np.float32(14.61464119), np.float32(7.49001646), 0] == two.tolist()
    five = run("GITSScheduler", coeff=0.85, steps=5, denoise=1.0)
    assert pytest.approx([14.61464119, 11.54541874, 7.11996698, 3.07277966, 1.24153244, 0]) == five.tolist()


@pytest.mark.parametrize(("denoise", "length"), [(0.0, 0), (0.04, 1), (0.5, 6), (1.0, 11)])
def test_denoise_of_gits_keeps_the_last_levels(denoise: float, length: int) -> None:
    """No step at all gives no level."""
    whole = run("GITSScheduler", coeff=1.2, steps=10, denoise=1.0)
    part = run("GITSScheduler", coeff=1.2, steps=10, denoise=denoise)
    assert whole[len(whole) - length :].tolist() == part.tolist()


def test_gits_knows_coefficients_by_steps() -> None:
    """Between them there is nothing, which is ComfyUI's error, told more clearly."""
    with pytest.raises(KeyError, match=r"coeff: 0.83, expected one of 0.8, 0.85"):
        run("GITSScheduler", coeff=0.83, steps=10, denoise=1.0)
