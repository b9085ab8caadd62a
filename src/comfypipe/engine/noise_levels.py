"""
Noise levels for samplers (SIGMAS): float32, falling as a rule, the last one 0.

Sources: Karras et al. 2022 (arXiv 2206.00364); Song et al. 2021 (arXiv 2011.13456) for the variance preserving process;
Hang and Gu 2024 (arXiv 2407.03297) for the Laplace distribution; for the tables Sabour et al. 2024, "Align Your Steps"
(arXiv 2404.14507), Pei et al. 2025, "Optimal Stepsize for Diffusion Sampling" (arXiv 2503.21774), and Chen et al. 2024,
"On the Trajectory Regularity of ODE-based Diffusion Sampling" (arXiv 2405.11326), which is GITS.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import pairwise
from math import exp, log, pi, prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from comfypipe.engine.pixels.fused import rounded, torch_linspace

Sigmas: TypeAlias = NDArray[np.float32]

ALIGNED: Mapping[str, Sequence[float]] = {
    "SD1": (
        14.6146412293, 6.4745760956, 3.8636745985, 2.6946151520, 1.8841921177, 1.3943805092, 0.9642583904,
        0.6523686016, 0.3977456272, 0.1515232662, 0.0291671582,
    ),
    "SDXL": (
        14.6146412293, 6.3184485287, 3.7681790315, 2.1811480769, 1.3405244945, 0.8620721141, 0.5550693289,
        0.3798540708, 0.2332364134, 0.1114188177, 0.0291671582,
    ),
    "SVD": (700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002),
}  # fmt: skip
"""By model, the levels of ten aligned steps."""
OPTIMAL: Mapping[str, Sequence[float]] = {
    "FLUX": (0.9968, 0.9886, 0.9819, 0.975, 0.966, 0.9471, 0.9158, 0.8287, 0.5512, 0.2808, 0.001),
    "Wan": (
        1.0, 0.997, 0.995, 0.993, 0.991, 0.989, 0.987, 0.985, 0.98, 0.975, 0.973, 0.968, 0.96, 0.946, 0.927, 0.902,
        0.864, 0.776, 0.539, 0.208, 0.001,
    ),
    "Chroma": (
        0.992, 0.99, 0.988, 0.985, 0.982, 0.978, 0.973, 0.968, 0.961, 0.953, 0.943, 0.931, 0.917, 0.9, 0.881, 0.858,
        0.832, 0.802, 0.769, 0.731, 0.69, 0.646, 0.599, 0.55, 0.501, 0.451, 0.402, 0.355, 0.311, 0.27, 0.232, 0.199,
        0.169, 0.143, 0.12, 0.101, 0.084, 0.07, 0.058, 0.048, 0.001,
    ),
}  # fmt: skip
"""By model, the levels of optimal steps: 10, 20 and 40 of them."""


@cache
def gits_tables() -> Mapping[float, Sequence[Sequence[float]]]:
    """Return by coefficient the levels of 2, 3 … 20 steps that GITS found."""
    levels: list[float] = []
    tables: dict[float, Sequence[Sequence[float]]] = {}
    for line in (files("comfypipe.engine") / "gits.txt").read_text(encoding="utf-8").splitlines():
        head, *words = line.split()
        if head == "levels":
            levels += map(float, words)
        elif head != "#":
            masks = [int(each, 16) for each in words]
            tables[float(head)] = [[each for bit, each in enumerate(levels) if mask >> bit & 1] for mask in masks]
    return tables


def karras(steps: int, sigma_max: float, sigma_min: float, rho: float) -> Sigmas:
    """
    Return levels evenly spaced in their *rho*-th root.

    Raises:
        ZeroDivisionError: *rho* is 0.
    """
    if not rho:
        raise ZeroDivisionError("rho: 0, must be more than 0")
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return _ending(_power(np.float32(high) + torch_linspace(0, 1, steps) * np.float32(low - high), rho))


def exponential(steps: int, sigma_max: float, sigma_min: float) -> Sigmas:
    """
    Return levels evenly spaced in their logarithm.

    Raises:
        ValueError: A level is 0.
    """
    _check_positive(sigma_max=sigma_max, sigma_min=sigma_min)
    return _ending(rounded(np.exp, torch_linspace(log(sigma_max), log(sigma_min), steps)))


def polyexponential(steps: int, sigma_max: float, sigma_min: float, rho: float) -> Sigmas:
    """
    Return levels whose logarithms are spaced by the power *rho*.

    Raises:
        ValueError: A level is 0.
    """
    _check_positive(sigma_max=sigma_max, sigma_min=sigma_min)
    ramp = _power(torch_linspace(1, 0, steps), rho)
    return _ending(rounded(np.exp, ramp * np.float32(log(sigma_max) - log(sigma_min)) + np.float32(log(sigma_min))))


def laplace(steps: int, sigma_max: float, sigma_min: float, mu: float, beta: float) -> Sigmas:
    """Return levels distributed as a Laplace distribution of their logarithm, within bounds, with no 0 behind them."""
    offset = np.float32(0.5) - torch_linspace(0, 1, steps)
    tail = rounded(np.log, np.float32(1) - np.float32(2) * np.abs(offset) + np.float32(1e-5))
    levels = rounded(np.exp, np.float32(mu) - np.float32(beta) * np.sign(offset) * tail)
    return np.asarray(np.clip(levels, np.float32(sigma_min), np.float32(sigma_max)))


def variance_preserving(steps: int, beta_d: float, beta_min: float, eps_s: float) -> Sigmas:
    """Return the levels of the continuous variance preserving process."""
    time = torch_linspace(1, eps_s, steps)
    growth = np.float32(beta_d) * time**2 / np.float32(2) + np.float32(beta_min) * time
    return _ending(np.sqrt(rounded(np.expm1, growth)))


def from_table(levels: Sequence[float], steps: int, denoise: float) -> Sigmas:
    """
    Return the last *denoise* part of *steps* steps through a table, interpolated in the logarithm.

    No step at all gives no level.
    """
    if denoise <= 0:
        return np.zeros(0, np.float32)
    if steps + 1 != len(levels):
        places, old = np.linspace(0, 1, steps + 1), np.linspace(0, 1, len(levels))
        levels = np.exp(np.interp(places, old, np.log(levels[::-1])))[::-1].tolist()
    wanted = round(steps * denoise) if denoise < 1 else steps
    sigmas = np.array(levels[-(wanted + 1) :], np.float32)
    sigmas[-1] = 0
    return sigmas


def shifted(
    steps: int, max_shift: float, base_shift: float, stretch: bool, terminal: float, shape: Sequence[int] | None
) -> Sigmas:
    """
    Return LTX-Video's levels: linear ones, shifted by the number of tokens.

    Args:
        stretch: Scale so that the last level before 0 is *terminal*.
        shape: Of the latent's frames and sides; None for 4096 tokens.
    """
    tokens = 4096 if shape is None else prod(shape)
    slope = (max_shift - base_shift) / (4096 - 1024)
    growth = exp(tokens * slope + base_shift - slope * 1024)
    levels = torch_linspace(1, 0, steps + 1)[:-1]
    # A number by a tensor is the number times the reciprocal in PyTorch, which decides what becomes of a single step.
    with np.errstate(invalid="ignore", over="ignore"):
        inverse = np.float32(1) / (np.float32(growth) + (np.float32(1) / levels - np.float32(1)))
        levels = np.float32(growth) * inverse
        if stretch:
            rest = np.float32(1) - levels
            levels = np.float32(1) - rest / (rest[-1] / np.float32(1 - terminal))
    return _ending(levels)


def extend(sigmas: Sigmas, steps: int, start_at: float, end_at: float, spacing: Callable[[Sigmas], Sigmas]) -> Sigmas:
    """
    Put *steps* - 1 levels between each two whose first lies in *end_at* … *start_at*.

    Args:
        start_at: Negative for no bound.
        spacing: One of `SPACINGS`.
    """
    inner = spacing(torch_linspace(0, 1, steps + 1)[1:-1])
    highest = float("inf") if start_at < 0 else start_at
    parts: list[Sigmas] = []
    for current, following in pairwise(sigmas):
        parts.append(current[None])
        if end_at <= current <= highest:
            parts.append(inner * (following - current) + current)
    return np.concatenate([*parts, sigmas[-1:]])


SPACINGS: Mapping[str, Callable[[Sigmas], Sigmas]] = {
    "linear": lambda x: x,
    "cosine": lambda x: rounded(np.sin, x * np.float32(pi / 2)),
    "sine": lambda x: np.float32(1) - rounded(np.cos, x * np.float32(pi / 2)),
}


_BLOCK = 32
"""How many float32 PyTorch works on at a time, as two vectors of 512 bits."""


def _power(base: Sigmas, exponent: float) -> Sigmas:
    if exponent in (2, 3):  # which PyTorch multiplies out, rounding each product
        return base * base if exponent == 2 else base * base * base
    # Whole blocks take the exponent in float32, the rest takes it as it is.
    exponents = np.full(len(base), exponent)
    exponents[: len(base) // _BLOCK * _BLOCK] = np.float32(exponent)
    return rounded(lambda values: values**exponents, base)


def _ending(levels: Sigmas) -> Sigmas:
    return np.append(levels, np.float32(0)).astype(np.float32)


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if value <= 0:
            raise ValueError(f"{name}: {value:g}, must be more than 0")
