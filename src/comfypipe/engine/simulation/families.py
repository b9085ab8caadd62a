"""
Families of models: what their latents look like, and how big they are.

Sources: the model cards, and the shapes that ComfyUI's nodes for empty latents make.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """
    What latents of a kind of model look like.

    Attributes:
        channels: Of a latent.
        factor: Pixels of a cell's side.
        frames: Frames of a video that one latent frame stands for (the first stands for itself); None for families
            whose latents have no frames.
        size_gb: Of the weights in memory, about; for the memory that runs are charged.
        effort: Work of a sampling step for each pixel, where Stable Diffusion XL is 1.
    """

    name: str
    channels: int = 4
    factor: int = 8
    frames: int | None = None
    size_gb: float = 2.0
    effort: float = 0.4


STABLE_DIFFUSION = Family("Stable Diffusion")
"""What is taken where nothing tells another family."""

_FAMILIES: tuple[tuple[str, Family], ...] = (
    (r"radiance", Family("Chroma Radiance", 3, 1, None, 18, 3)),
    (r"flux[-_. ]?2", Family("Flux 2", 128, 16, None, 34, 8)),
    (r"flux|chroma|^ae\.", Family("Flux", 16, 8, None, 12, 3)),
    (r"wan[-_.]?2[-_.]?2[-_.]?(ti2v|vae|imagetovideolatent)", Family("Wan 2.2 5B", 48, 16, 4, 10, 2)),
    (r"wan", Family("Wan", 16, 8, 4, 28, 4)),
    (r"hunyuan[-_]?image(?!tovideo)", Family("HunyuanImage", 64, 32, None, 17, 3)),
    (r"hunyuan[-_]?3d", Family("Hunyuan3D", 64, 1, None, 6, 1)),
    (r"hunyuan.*dit", Family("HunyuanDiT", 4, 8, None, 6, 1)),
    (r"hunyuan", Family("HunyuanVideo", 16, 8, 4, 26, 4)),
    (r"ltx", Family("LTX-Video", 128, 32, 8, 10, 1)),
    (r"mochi", Family("Mochi", 12, 8, 6, 20, 4)),
    (r"cosmos.*predict2", Family("Cosmos Predict2", 16, 8, 4, 14, 3)),
    (r"cosmos", Family("Cosmos", 16, 8, 8, 15, 3)),
    (r"qwen[-_]?image", Family("Qwen-Image", 16, 8, None, 20, 4)),
    (r"svd|sv3d|stable[-_]?video", Family("Stable Video Diffusion", 4, 8, None, 5, 1)),
    (r"sd[-_]?3|stable[-_]?diffusion[-_]?3", Family("Stable Diffusion 3", 16, 8, None, 12, 2)),
    (r"hidream|lumina|omnigen|z[-_]?image|kandinsky", Family("16 channels", 16, 8, None, 16, 3)),
    (r"cascade|stage[-_]?[abc]\b", Family("Stable Cascade", 4, 4, None, 10, 1)),
    (r"xl|pony|illustrious|playground", Family("Stable Diffusion XL", 4, 8, None, 7, 1)),
)


def family_of(name: str) -> Family | None:
    """Return the family that a model's file name tells of; None where it tells of none."""
    lower = name.lower()
    return next((family for pattern, family in _FAMILIES if re.search(pattern, lower)), None)


def family_of_latent(channels: int, rank: int, hint: Family | None = None) -> Family:
    """
    Return the family that latents of so many channels belong to.

    Args:
        rank: 4 for images, 5 for videos.
        hint: Of the VAE that decodes them: it counts where its channels fit.
    """
    if hint is not None and hint.channels == channels and (hint.frames is not None or rank < 5):
        return hint
    if channels == 128:
        return Family("LTX-Video", 128, 32, 8) if rank == 5 else Family("Flux 2", 128, 16)
    video = {12: 6}.get(channels, 4)
    factor = {3: 1, 48: 16, 64: 32}.get(channels, 8)
    return Family(f"{channels} channels", channels, factor, video if rank == 5 else None)
