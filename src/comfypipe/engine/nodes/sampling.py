"""Nodes that tell samplers what to do, and need no model for it. Source: ComfyUI ``nodes_custom_sampler`` (0.3.64)."""

from comfypipe.engine.registry import NodeClass, combo, integer, outputs
from comfypipe.engine.sampling import Noise, Sampler

SAMPLERS = (
    "euler",
    "euler_cfg_pp",
    "euler_ancestral",
    "euler_ancestral_cfg_pp",
    "heun",
    "heunpp2",
    "dpm_2",
    "dpm_2_ancestral",
    "lms",
    "dpm_fast",
    "dpm_adaptive",
    "dpmpp_2s_ancestral",
    "dpmpp_2s_ancestral_cfg_pp",
    "dpmpp_sde",
    "dpmpp_sde_gpu",
    "dpmpp_2m",
    "dpmpp_2m_cfg_pp",
    "dpmpp_2m_sde",
    "dpmpp_2m_sde_gpu",
    "dpmpp_2m_sde_heun",
    "dpmpp_2m_sde_heun_gpu",
    "dpmpp_3m_sde",
    "dpmpp_3m_sde_gpu",
    "ddpm",
    "lcm",
    "ipndm",
    "ipndm_v",
    "deis",
    "res_multistep",
    "res_multistep_cfg_pp",
    "res_multistep_ancestral",
    "res_multistep_ancestral_cfg_pp",
    "gradient_estimation",
    "gradient_estimation_cfg_pp",
    "er_sde",
    "seeds_2",
    "seeds_3",
    "sa_solver",
    "sa_solver_pece",
    "ddim",
    "uni_pc",
    "uni_pc_bh2",
)
"""Ways of sampling that ComfyUI knows by name."""

_CATEGORY = "sampling/custom_sampling"
_MODULE = "comfy_extras.nodes_custom_sampler"


def random_noise(noise_seed: int) -> tuple[Noise]:
    """Name the seed that noise is drawn from."""
    return (Noise(noise_seed),)


def no_noise() -> tuple[Noise]:
    """Ask for no noise."""
    return (Noise(None),)


def choose_sampler(sampler_name: str) -> tuple[Sampler]:
    """Name a way of sampling."""
    return (Sampler(sampler_name),)


NODES: tuple[NodeClass, ...] = (
    NodeClass(
        "RandomNoise",
        random_noise,
        {"noise_seed": integer(0, 0, 2**64 - 1, control_after_generate=True)},
        outputs("NOISE"),
        category=f"{_CATEGORY}/noise",
        description="Names the seed that a sampler draws its noise from.",
        module=_MODULE,
    ),
    NodeClass(
        "DisableNoise",
        no_noise,
        {},
        outputs("NOISE"),
        category=f"{_CATEGORY}/noise",
        description="Asks a sampler to add no noise.",
        module=_MODULE,
    ),
    NodeClass(
        "KSamplerSelect",
        choose_sampler,
        {"sampler_name": combo(*SAMPLERS)},
        outputs("SAMPLER"),
        category=f"{_CATEGORY}/samplers",
        description="Names a way of sampling.",
        module=_MODULE,
    ),
)
