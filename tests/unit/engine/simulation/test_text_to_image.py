"""From a model to a picture, with stand-ins."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from tests.unit.engine.simulation.simulated import path_of, simulated, text_to_image, texts_of

from comfypipe._types import JSON, JSONObject
from comfypipe.testing import node

PINNED = "8e651910"
"""How the SHA-256 of the pixels below begins: it changes only when pictures are meant to change."""


def test_the_picture_has_the_size_of_the_latent(tmp_path: Path) -> None:
    """Eight pixels for each cell, and one picture for each item of the batch."""
    latent = node("EmptyLatentImage", width=136, height=72, batch_size=3)
    assert [(72, 136, 3)] * 3 == [each.shape for each in simulated(tmp_path).pictures(text_to_image(latent))]


def test_the_same_prompt_gives_the_same_pixels(tmp_path: Path) -> None:
    """On every run, and on every machine: the digest of the pixels is pinned."""
    first, again = (simulated(tmp_path / name).pictures(text_to_image())[0] for name in "ab")
    assert np.array_equal(first, again)
    assert PINNED == hashlib.sha256(first.tobytes()).hexdigest()[:8]


@pytest.mark.parametrize(
    "other",
    [{"seed": 2}, {"text": "a bear"}, {"cfg": 3.0}, {"steps": 4}, {"sampler_name": "heun"}],
    ids=lambda each: next(iter(each)),
)
def test_other_inputs_give_another_picture(tmp_path: Path, other: dict[str, JSON]) -> None:
    """Seed, prompt and settings decide the pattern, away from the stamp too."""
    text = str(other.pop("text", "a fox"))
    (first,) = simulated(tmp_path).pictures(text_to_image())
    (second,) = simulated(tmp_path).pictures(text_to_image(text=text, **other))
    difference = np.abs(first[:30].astype(int) - second[:30])
    assert difference.mean() > 2


def test_items_of_a_batch_differ(tmp_path: Path) -> None:
    """Each has noise of its own."""
    latent = node("EmptyLatentImage", width=64, height=64, batch_size=2)
    first, second = simulated(tmp_path).pictures(text_to_image(latent))
    assert np.abs(first[:20].astype(int) - second[:20]).mean() > 2


def test_the_file_says_that_it_is_simulated(tmp_path: Path) -> None:
    """Beside the prompt stands what it is."""
    (path,) = simulated(tmp_path).files(text_to_image())
    info = texts_of(path)
    assert {"prompt", "simulated"} == set(info)
    assert '"by": "comfypipe"' in info["simulated"]


def test_the_outcome_says_that_it_is_simulated(tmp_path: Path) -> None:
    """And one without a stand-in is real, on the same engine."""
    real = {"1": node("EmptyImage", width=8, height=8, batch_size=1, color=0), "2": _saved("1")}
    assert (True, False) == tuple(simulated(tmp_path).run(each).simulated for each in (text_to_image(), real))


def test_what_needs_no_model_is_not_marked(tmp_path: Path) -> None:
    """In a prompt with both, only files that depend on a stand-in are marked."""
    prompt = text_to_image() | {
        "grey": node("EmptyImage", width=8, height=8, batch_size=1, color=0x808080),
        "kept": _saved("grey"),
    }
    outcome = simulated(tmp_path).run(prompt)
    marked = {}
    for node_id in ("save", "kept"):
        (entry,) = outcome.outputs[node_id]["images"]
        marked[node_id] = "simulated" in texts_of(path_of(tmp_path, entry))
    assert {"save": True, "kept": False} == marked


def test_painting_over_keeps_a_hint_of_the_picture(tmp_path: Path) -> None:
    """With half the strength, a red picture's latent gives a redder picture than a blue one's."""
    means = []
    for colour in (0xFF0000, 0x0000FF):
        prompt = text_to_image(denoise=0.5) | {
            "photo": node("EmptyImage", width=128, height=64, batch_size=1, color=colour),
            "latent": node("VAEEncode", pixels=["photo", 0], vae=["model", 2]),
        }
        means.append(simulated(tmp_path).pictures(prompt)[0].reshape(-1, 3).mean(axis=0))
    red, blue = means
    assert red[0] - blue[0] > 60
    assert blue[2] - red[2] > 60


def test_nothing_is_painted_over_at_no_strength(tmp_path: Path) -> None:
    """What is decoded is what was encoded."""
    prompt = text_to_image(denoise=0.0) | {
        "photo": node("EmptyImage", width=128, height=64, batch_size=1, color=0x204060),
        "latent": node("VAEEncode", pixels=["photo", 0], vae=["model", 2]),
    }
    (picture,) = simulated(tmp_path).pictures(prompt)
    values, counts = np.unique(picture.reshape(-1, 3), axis=0, return_counts=True)
    assert np.allclose((0x20, 0x40, 0x60), values[counts.argmax()], atol=1)


def test_a_mask_says_what_is_painted_over(tmp_path: Path) -> None:
    """Beyond the mask the picture stays."""
    prompt = text_to_image() | {
        "photo": node("EmptyImage", width=256, height=64, batch_size=1, color=0x204060),
        "all": node("SolidMask", value=1.0, width=256, height=64),
        "none": node("SolidMask", value=0.0, width=128, height=64),
        "mask": node("MaskComposite", destination=["all", 0], source=["none", 0], x=128, y=0, operation="multiply"),
        "latent": node("VAEEncodeForInpaint", pixels=["photo", 0], vae=["model", 2], mask=["mask", 0], grow_mask_by=6),
    }
    (picture,) = simulated(tmp_path).pictures(prompt)
    change = np.abs(picture.astype(int) - (0x20, 0x40, 0x60)).mean(axis=(0, 2))
    assert change[:110].mean() > 20
    assert change[160:].mean() < 5


def test_latents_are_worked_on_for_real(tmp_path: Path) -> None:
    """What is done to a latent between sampler and decoder is done to the picture."""
    prompt = text_to_image()
    prompt["larger"] = node("LatentUpscaleBy", samples=["sample", 0], upscale_method="bilinear", scale_by=1.5)
    prompt["decode"]["inputs"]["samples"] = ["larger", 0]
    assert (96, 192, 3) == simulated(tmp_path).pictures(prompt)[0].shape


def _saved(source: str) -> JSONObject:
    return node("SaveImage", images=[source, 0], filename_prefix=f"from_{source}")
