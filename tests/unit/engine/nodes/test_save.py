"""Nodes that write images."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from comfypipe.engine.nodes.save import NODES
from comfypipe.engine.pixels.values import Floats, from_bytes
from comfypipe.engine.registry import Context, Registry, Result

REGISTRY = Registry(NODES)


def noise(batch: int = 1, channels: int = 3) -> Floats:
    """Return random levels."""
    return from_bytes(np.random.default_rng(0).integers(0, 256, (batch, 5, 7, channels), np.uint8))


def save(images: Floats, context: Context, prefix: str = "a") -> list[dict[str, str]]:
    """Save images and return what clients are told."""
    result = REGISTRY["SaveImage"].function(images=images, filename_prefix=prefix, context=context)
    assert isinstance(result, Result)
    assert result.ui is not None
    entries: list[dict[str, str]] = result.ui["images"]
    return entries


@pytest.mark.parametrize(("channels", "mode"), [(3, "RGB"), (4, "RGBA")])
def test_every_level_is_saved(channels: int, mode: str, context: Context) -> None:
    """Images come back bit for bit, with alpha where they have it."""
    images = noise(2, channels)
    save(images, context)
    for index, expected in enumerate(images, 1):
        with Image.open(context.folders.output / f"a_{index:05}_.png") as image:
            assert mode == image.mode
            np.testing.assert_array_equal(expected, from_bytes(np.asarray(image)))


def test_clients_are_told_where_files_are(context: Context) -> None:
    """Names count on, over calls and batches; sub-folders are named."""
    save(noise(), context, "x/a")
    told = save(noise(2), context, "x/a")
    assert [{"filename": f"a_0000{n}_.png", "subfolder": "x", "type": "output"} for n in (2, 3)] == told


def test_prompt_and_workflow_are_embedded(context: Context) -> None:
    """Each in a text chunk of its own, as ASCII."""
    save(noise(), context)
    with Image.open(context.folders.output / "a_00001_.png") as image:
        assert {
            "prompt": json.dumps(context.prompt),
            "workflow": json.dumps(context.extra_pnginfo["workflow"]),
        } == image.info


def test_the_same_image_gives_the_same_bytes(context: Context) -> None:
    """Nothing in a file depends on when or where it was written."""
    save(noise(), context, "a")
    save(noise(), context, "b")
    first, second = (context.folders.output / f"{prefix}_00001_.png" for prefix in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_size_and_batch_number_may_be_in_the_name(context: Context) -> None:
    """Tokens of the prefix are filled in."""
    told = save(noise(2), context, "%width%x%height%_%batch_num%")
    assert ["7x5_0_00001_.png", "7x5_1_00002_.png"] == [each["filename"] for each in told]


@pytest.mark.parametrize("prefix", ["../a", "/etc/a", "x/../../a"])
def test_prefixes_cannot_lead_out_of_the_folder(prefix: str, context: Context) -> None:
    """And nothing is written."""
    with pytest.raises(Exception, match="Saving image outside the output folder is not allowed"):
        save(noise(), context, prefix)
    assert not context.folders.output.exists()


def test_a_failed_write_leaves_no_file(context: Context) -> None:
    """Channels that no PNG has are an error, and no half file stays behind."""
    with pytest.raises(TypeError, match="Cannot handle this data type"):
        save(noise(1, 5), context)
    assert [] == list(context.folders.output.iterdir())


def test_empty_images_are_an_error(context: Context) -> None:
    """The message has the shape."""
    with pytest.raises(ValueError, match=r"nothing to save: the images have the shape \[1, 0, 7, 3\]"):
        save(noise()[:, :0], context)


def test_what_is_no_number_is_saved_as_black(context: Context) -> None:
    """Without a warning."""
    save(np.full((1, 2, 2, 3), np.nan, np.float32), context)
    with Image.open(context.folders.output / "a_00001_.png") as image:
        assert ((0, 0),) * 3 == image.getextrema()


def test_previews_go_to_the_temp_folder(context: Context) -> None:
    """Images and masks are shown under names that do not clash."""
    shown = [
        REGISTRY["PreviewImage"].function(images=noise(2), context=context),
        REGISTRY["MaskPreview"].function(mask=np.full((1, 4, 4), 0.2, np.float32), context=context),
    ]
    paths: list[Path] = []
    for result in shown:
        assert isinstance(result, Result)
        assert result.ui is not None
        assert {"temp"} == {each["type"] for each in result.ui["images"]}
        paths += [context.folders.temp / each["filename"] for each in result.ui["images"]]
    assert [True] * 3 == [each.name.startswith("ComfyUI_temp_") and each.is_file() for each in paths]
    with Image.open(paths[-1]) as image:
        assert ("RGB", ((51, 51),) * 3) == (image.mode, image.getextrema())
