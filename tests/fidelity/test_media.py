"""Prompts of text, sound, video and latents that a real ComfyUI ran, run by the engine: the same results and errors."""

from importlib import import_module
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageSequence
from tests.fidelity.recorded import CASES_FOLDER, case_names, run_case

from comfypipe._types import JSONObject
from comfypipe.engine.catalog import core_registry
from comfypipe.engine.events import RunFailed
from comfypipe.engine.executor import Engine
from comfypipe.engine.latents.files import read_latent

FAMILIES = (
    "animated",
    "audio",
    "latent_batch",
    "latent_empty",
    "latent_files",
    "latent_math",
    "latent_shape",
    "primitives",
    "sigmas",
    "strings",
    "video",
)
OURS = {node.class_type for family in FAMILIES for node in import_module(f"comfypipe.engine.nodes.{family}").NODES}
NOT_TO_THE_BIT = {
    "audio_merge_resample": 1 / 2**15,  # another order of additions, one step of 16 bits
    "latent_sharpen": 2e-6,
    "latent_tonemap": 2e-6,
    "latent_upscaleby_bislerp": 2e-6,
}


@pytest.mark.parametrize("name", case_names("outputs", OURS, core_registry()))
def test_outputs_are_the_real_ones(name: str, engine: Engine) -> None:
    """What is shown, the files' names and what is in them are those of the real server."""
    case, outcome = run_case(engine, name)
    assert outcome.succeeded, outcome.end
    shown = [
        (node, key, index, entry)
        for node, ui in sorted(outcome.outputs.items())
        for key in sorted(ui)
        for index, entry in enumerate(ui[key])
    ]
    files = [each for each in shown if isinstance(each[3], dict)]
    assert case["values"] == [list(each) for each in shown if not isinstance(each[3], dict)]
    named = [(each["node"], each["key"], each["filename"], each["subfolder"], each["type"]) for each in case["outputs"]]
    assert named == [(node, key, entry["filename"], entry["subfolder"], entry["type"]) for node, key, _, entry in files]
    for golden, (_, _, _, entry) in zip(case["outputs"], files, strict=True):
        compare(golden, getattr(engine.folders, entry["type"]) / entry["subfolder"] / entry["filename"], name)


@pytest.mark.parametrize("name", case_names("errors", OURS, core_registry()))
def test_errors_are_the_real_ones(name: str, engine: Engine) -> None:
    """The same node fails, with the same type of error."""
    case, outcome = run_case(engine, name)
    expected = case["golden"]["execution_error"]
    assert isinstance(outcome.end, RunFailed)
    assert (expected["node_id"], expected["exception_type"]) == (outcome.end.node_id, outcome.end.exception_type)
    if expected["node_type"] in OURS:
        assert expected["exception_message"] == outcome.end.message


def compare(golden: JSONObject, path: Path, name: str) -> None:
    """Compare a file with the recorded one, by what it holds."""
    real = CASES_FOLDER / golden["file"]
    if golden["kind"] == "latent":
        np.testing.assert_allclose(read_latent(path), read_latent(real), atol=NOT_TO_THE_BIT.get(name, 0), rtol=0)
    elif golden["kind"] == "image":
        expected, found = pictures(real), pictures(path)
        np.testing.assert_array_equal(expected[0], found[0])
        assert expected[1:] == found[1:]
    else:
        compare_streams(real, path, name)


def pictures(path: Path) -> tuple[NDArray[np.uint8], list[Any], list[Any]]:
    """Return all frames of a picture, how long each is shown, and under which keys it has texts."""
    with Image.open(path) as image:
        frames = [(np.asarray(each), each.info.get("duration")) for each in ImageSequence.Iterator(image)]
        return np.stack([pixels for pixels, _ in frames]), [time for _, time in frames], sorted(image.getexif())


def compare_streams(real: Path, path: Path, name: str) -> None:
    """Compare sound sample by sample, and pictures by their mean colour: x264 need not give the same bits."""
    expected, found = streams(real), streams(path)
    assert expected["format"] == found["format"]
    assert expected["tags"] == found["tags"]
    assert expected["frames"].shape == found["frames"].shape
    np.testing.assert_allclose(found["frames"].mean(axis=(1, 2)), expected["frames"].mean(axis=(1, 2)), atol=1)
    np.testing.assert_allclose(found["sound"], expected["sound"], atol=NOT_TO_THE_BIT.get(name, 0), rtol=0)


def streams(path: Path) -> dict[str, Any]:
    """Return what is in a sound or video file."""
    with av.open(path) as container:
        used = [each for each in container.streams if each.type in ("video", "audio")]
        context = [each.codec_context for each in used]
        formats = [(each.name, getattr(each, "sample_rate", None), getattr(each, "pix_fmt", None)) for each in context]
        frames: list[Any] = [np.zeros((1, 1, 3), np.uint8)]
        sound: list[Any] = [np.zeros((1, 0))]
        for frame in container.decode(*used):
            if isinstance(frame, av.VideoFrame):
                frames.append(frame.to_ndarray(format="rgb24"))
            else:
                assert isinstance(frame, av.AudioFrame)
                sound.append(_full_scale(frame.to_ndarray()).reshape(1, -1))
        return {
            "format": formats,
            "tags": sorted(key.lower() for key in container.metadata),
            "frames": np.stack(frames[1:] or frames),
            "sound": np.concatenate(sound, axis=1),
        }


def _full_scale(samples: NDArray[Any]) -> NDArray[Any]:
    return samples / 2**15 if samples.dtype == np.int16 else samples
