"""Nodes that make and change noise levels, which only samplers use. Source: ComfyUI 0.3.64."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Literal

from comfypipe.engine import noise_levels
from comfypipe.engine.latents.value import Latent, samples_of
from comfypipe.engine.noise_levels import ALIGNED, OPTIMAL, SPACINGS, Sigmas
from comfypipe.engine.registry import InputSpec, NodeClass, combo, integer, number, optional, outputs, required


def aligned(model_type: str, steps: int, denoise: float) -> tuple[Sigmas]:
    """Make the levels of Align Your Steps."""
    return (noise_levels.from_table(_table(ALIGNED, model_type), steps, denoise),)


def optimal(model_type: str, steps: int, denoise: float) -> tuple[Sigmas]:
    """Make the levels of optimal steps."""
    return (noise_levels.from_table(_table(OPTIMAL, model_type), steps, denoise),)


def _table(tables: Mapping[str, Sequence[float]], model_type: str) -> Sequence[float]:
    if model_type not in tables:
        raise ValueError(f"model_type: {model_type!r}, expected one of {', '.join(tables)}")
    return tables[model_type]


def gits(coeff: float, steps: int, denoise: float) -> tuple[Sigmas]:
    """
    Make the levels of GITS.

    Raises:
        KeyError: There are none for such a coefficient: they go by steps of 0.05.
    """
    tables = noise_levels.gits_tables()
    coefficient = round(coeff, 2)
    if coefficient not in tables:
        raise KeyError(f"coeff: {coefficient:g}, expected one of {', '.join(f'{each:g}' for each in tables)}")
    rows = tables[coefficient]
    return (noise_levels.from_table(rows[min(steps - 2, len(rows) - 1)], steps, denoise),)


def ltxv(
    steps: int, max_shift: float, base_shift: float, stretch: bool, terminal: float, latent: Latent | None = None
) -> tuple[Sigmas]:
    """Make the levels of LTX-Video, which depend on the size of the latent."""
    shape = None if latent is None else samples_of(latent, "latent").shape[2:]
    return (noise_levels.shifted(steps, max_shift, base_shift, stretch, terminal, shape),)


def split(sigmas: Sigmas, step: int) -> tuple[Sigmas, Sigmas]:
    """Split at a step, whose level both parts have."""
    return sigmas[: step + 1], sigmas[step:]


def split_denoise(sigmas: Sigmas, denoise: float) -> tuple[Sigmas, Sigmas]:
    """Split off the last *denoise* part of the steps; both have the level between."""
    wanted = round(max(len(sigmas) - 1, 0) * denoise)
    return sigmas[: len(sigmas) - wanted if wanted else 0], sigmas[-(wanted + 1) :]


def flip(sigmas: Sigmas) -> tuple[Sigmas]:
    """Turn the order round; a first level of 0 becomes 0.0001."""
    flipped = sigmas[::-1].copy()
    if len(flipped) and not flipped[0]:
        flipped[0] = 0.0001
    return (flipped,)


def set_first(sigmas: Sigmas, sigma: float) -> tuple[Sigmas]:
    """
    Replace the first level.

    Raises:
        ValueError: There is none.
    """
    if not len(sigmas):
        raise ValueError("sigmas: there is no first one")
    changed = sigmas.copy()
    changed[0] = sigma
    return (changed,)


def extend(sigmas: Sigmas, steps: int, start_at_sigma: float, end_at_sigma: float, spacing: str) -> tuple[Sigmas]:
    """Put more levels between those that lie in a range."""
    return (noise_levels.extend(sigmas, steps, start_at_sigma, end_at_sigma, SPACINGS[spacing]),)


_SCHEDULERS = "sampling/custom_sampling/schedulers"
_CHANGES = "sampling/custom_sampling/sigmas"


def _node(
    class_type: str,
    function: Callable[..., tuple[Any, ...]],
    inputs: Mapping[str, InputSpec],
    names: tuple[str, ...] = ("SIGMAS",),
    category: str = _CHANGES,
    schema: Literal["v1", "v3"] = "v1",
    module: str = "comfy_extras.nodes_custom_sampler",
) -> NodeClass:
    return NodeClass(
        class_type,
        function,
        inputs,
        outputs(*("SIGMAS" for _ in names), names=names),
        schema=schema,
        category=category,
        description=(function.__doc__ or "").strip().partition("\n")[0],
        module=module,
    )


def _scheduler(class_type: str, function: Callable[..., Sigmas], **inputs: InputSpec) -> NodeClass:
    @wraps(function)  # its parameters are the node's
    def run(**given: Any) -> tuple[Sigmas]:
        return (function(**given),)

    run.__doc__ = (
        (function.__doc__ or "").strip().replace("Return levels", "Make noise levels", 1).replace("Return", "Make", 1)
    )
    return _node(class_type, run, {"steps": integer(20, 1, 10000), **inputs}, category=_SCHEDULERS)


def _exact(default: float, minimum: float, maximum: float, step: float = 0.01) -> InputSpec:
    return number(default, minimum, maximum, step=step, round=False)


def _tabled(tables: Mapping[str, Sequence[float]], default: int, minimum: int, maximum: int) -> dict[str, InputSpec]:
    return {
        "model_type": combo(*tables),
        "steps": integer(default, minimum, maximum),
        "denoise": number(1.0, 0.0, 1.0, step=0.01),
    }


_SIGMAS = required("SIGMAS")
_RANGE = {"sigma_max": _exact(14.614642, 0.0, 5000.0), "sigma_min": _exact(0.0291675, 0.0, 5000.0)}

NODES: tuple[NodeClass, ...] = (
    _scheduler("KarrasScheduler", noise_levels.karras, **_RANGE, rho=_exact(7.0, 0.0, 100.0)),
    _scheduler("ExponentialScheduler", noise_levels.exponential, **_RANGE),
    _scheduler("PolyexponentialScheduler", noise_levels.polyexponential, **_RANGE, rho=_exact(1.0, 0.0, 100.0)),
    _scheduler(
        "LaplaceScheduler",
        noise_levels.laplace,
        **_RANGE,
        mu=_exact(0.0, -10.0, 10.0, 0.1),
        beta=_exact(0.5, 0.0, 10.0, 0.1),
    ),
    _scheduler(
        "VPScheduler",
        noise_levels.variance_preserving,
        beta_d=_exact(19.9, 0.0, 5000.0),
        beta_min=_exact(0.1, 0.0, 5000.0),
        eps_s=_exact(0.001, 0.0, 1.0, 0.0001),
    ),
    _node(
        "AlignYourStepsScheduler",
        aligned,
        _tabled(ALIGNED, 10, 1, 10000),
        category=_SCHEDULERS,
        schema="v3",
        module="comfy_extras.nodes_align_your_steps",
    ),
    _node(
        "GITSScheduler",
        gits,
        {
            "coeff": number(1.2, 0.8, 1.5, step=0.05),
            "steps": integer(10, 2, 1000),
            "denoise": number(1.0, 0.0, 1.0, step=0.01),
        },
        category=_SCHEDULERS,
        schema="v3",
        module="comfy_extras.nodes_gits",
    ),
    _node(
        "OptimalStepsScheduler",
        optimal,
        _tabled(OPTIMAL, 20, 3, 1000),
        category=_SCHEDULERS,
        schema="v3",
        module="comfy_extras.nodes_optimalsteps",
    ),
    _node(
        "LTXVScheduler",
        ltxv,
        {
            "steps": integer(20, 1, 10000),
            "max_shift": number(2.05, 0.0, 100.0, step=0.01),
            "base_shift": number(0.95, 0.0, 100.0, step=0.01),
            "stretch": required("BOOLEAN", default=True),
            "terminal": number(0.1, 0.0, 0.99, step=0.01),
            "latent": optional("LATENT"),
        },
        category=_SCHEDULERS,
        schema="v3",
        module="comfy_extras.nodes_lt",
    ),
    _node("SplitSigmas", split, {"sigmas": _SIGMAS, "step": integer(0, 0, 10000)}, ("high_sigmas", "low_sigmas")),
    _node(
        "SplitSigmasDenoise",
        split_denoise,
        {"sigmas": _SIGMAS, "denoise": number(1.0, 0.0, 1.0, step=0.01)},
        ("high_sigmas", "low_sigmas"),
    ),
    _node("FlipSigmas", flip, {"sigmas": _SIGMAS}),
    _node("SetFirstSigma", set_first, {"sigmas": _SIGMAS, "sigma": _exact(136.0, 0.0, 20000.0, 0.001)}),
    _node(
        "ExtendIntermediateSigmas",
        extend,
        {
            "sigmas": _SIGMAS,
            "steps": integer(2, 1, 100),
            "start_at_sigma": _exact(-1.0, -1.0, 20000.0),
            "end_at_sigma": _exact(12.0, 0.0, 20000.0),
            "spacing": combo(*SPACINGS),
        },
    ),
)
