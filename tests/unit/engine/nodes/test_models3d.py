"""Nodes on what the front end drew of 3D models."""

from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.unit.engine.nodes.conftest import Execution

from comfypipe._types import JSONObject
from comfypipe.engine.nodes.models3d import NODES
from comfypipe.engine.registry import Folders, Registry, Result, describe
from comfypipe.engine.video.value import Video

REGISTRY = Registry(NODES)
CAMERA = {"position": {"x": 1, "y": 2, "z": 3}}


def drawn(folders: Folders, **more: Any) -> JSONObject:
    """Store the pictures of a front end, and return what it says of them."""
    for name, colour in (("image", 10), ("normal", 30), ("lineart", 40)):
        Image.new("RGB", (4, 3), (colour, 0, 0)).save(folders.input / f"{name}.png")
    Image.new("RGBA", (4, 3), (0, 0, 0, 51)).save(folders.input / "mask.png")
    names = {name: f"{name}.png" for name in ("image", "mask", "normal", "lineart")}
    return {**names, "recording": "", "camera_info": CAMERA, **more}


def load(class_type: str, context: Execution, image: Any) -> tuple[Any, ...]:
    """Run a loading node."""
    found = REGISTRY[class_type].function(model_file="3d/a.glb", image=image, width=4, height=3, context=context)
    assert isinstance(found, tuple)
    return found


def test_pictures_of_the_front_end_are_loaded(context: Execution) -> None:
    """Picture, mask of the mask's transparency, path, normals, lines, camera; no video where none was made."""
    picture, mask, path, normal, lines, camera, video = load("Load3D", context, drawn(context.folders))
    reds = [round(float(each[0, 0, 0, 0]) * 255) for each in (picture, normal, lines)]
    assert [10, 30, 40] == reds
    np.testing.assert_allclose(mask, np.full((1, 3, 4), 0.8), atol=1e-6)
    assert ("3d/a.glb", CAMERA, None) == (path, camera, video)


def test_animations_have_no_lines(context: Execution) -> None:
    """Nor need the front end have drawn them."""
    image = drawn(context.folders)
    del image["lineart"]
    found = load("Load3DAnimation", context, image)
    assert (6, "3d/a.glb", CAMERA, None) == (len(found), found[2], found[4], found[5])


def test_recordings_are_videos(context: Execution) -> None:
    """They are opened when somebody looks inside."""
    (context.folders.input / "turn.mp4").write_bytes(b"none yet")
    assert isinstance(load("Load3D", context, drawn(context.folders, recording="turn.mp4"))[-1], Video)


@pytest.mark.parametrize("name", ["image", "mask", "normal", "lineart", "recording", "camera_info"])
def test_what_was_not_drawn_is_named(name: str, context: Execution) -> None:
    """As a missing key, which is ComfyUI's error."""
    image = drawn(context.folders)
    del image[name]
    with pytest.raises(KeyError, match=f"image: the front end drew no {name}"):
        load("Load3D", context, image)


def test_files_that_are_gone_are_named(context: Execution) -> None:
    """With their names."""
    with pytest.raises(FileNotFoundError, match=r"lost\.png"):
        load("Load3D", context, drawn(context.folders, normal="lost.png"))


def test_text_is_no_drawing(context: Execution) -> None:
    """A widget that nobody filled is an error that says so."""
    with pytest.raises(TypeError, match="image: expected what the front end drew"):
        load("Load3D", context, "")


def test_models_at_any_depth_are_offered(context: Execution) -> None:
    """By their path from the input folder on, and only kinds that the node can show."""
    for name in ("b.glb", "deep/er/a.OBJ", "readme.txt"):
        path = context.folders.input / "3d" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    offered = {name: describe(node, context.folders) for name, node in REGISTRY.items()}
    assert ["3d/b.glb", "3d/deep/er/a.OBJ"] == offered["Load3D"]["input"]["required"]["model_file"][0]
    assert ["3d/b.glb"] == offered["Load3DAnimation"]["input"]["required"]["model_file"][0]


def test_changed_pictures_change_the_fingerprint(context: Execution) -> None:
    """Otherwise a picture that was drawn again under the same name would not be seen."""
    fingerprint = REGISTRY["Load3D"].fingerprint
    assert fingerprint is not None
    image = drawn(context.folders)
    before = fingerprint(model_file="3d/a.glb", image=image, folders=context.folders)
    Image.new("RGB", (4, 3), (99, 0, 0)).save(context.folders.input / "image.png")
    assert before != fingerprint(model_file="3d/a.glb", image=image, folders=context.folders)


@pytest.mark.parametrize("class_type", ["Preview3D", "Preview3DAnimation"])
def test_previews_tell_model_and_camera(class_type: str) -> None:
    """Clients show it; without a camera they look from where they like."""
    function = REGISTRY[class_type].function
    assert Result(ui={"result": ["a.glb", CAMERA]}) == function(model_file="a.glb", camera_info=CAMERA)
    assert Result(ui={"result": ["a.glb", None]}) == function(model_file="a.glb")
