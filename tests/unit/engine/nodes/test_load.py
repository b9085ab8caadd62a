"""Nodes that read image files."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from comfypipe._types import JSONObject
from comfypipe.engine.nodes.load import NODES
from comfypipe.engine.registry import Context, Folders, Registry, describe

REGISTRY = Registry(NODES)
LOADERS = ("LoadImage", "LoadImageMask", "LoadImageOutput", "WebcamCapture")


def save(path: Path, image: Image.Image) -> None:
    """Save below a folder that may not be there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def call(class_type: str, context: Context, **inputs: Any) -> tuple[Any, ...]:
    """Run a node."""
    result = REGISTRY[class_type].function(context=context, **inputs)
    assert isinstance(result, tuple)
    return result


def test_images_and_masks_have_the_files_values(context: Context) -> None:
    """Levels are divided by 255; the mask is 1 where the file is transparent."""
    save(context.folders.input / "a.png", Image.new("RGBA", (3, 2), (255, 51, 0, 102)))
    images, masks = call("LoadImage", context, image="a.png")
    assert (np.float32, (1, 2, 3, 3), (1, 2, 3)) == (images.dtype, images.shape, masks.shape)
    np.testing.assert_array_equal(np.array([1, 0.2, 0], np.float32), images[0, 0, 0])
    assert np.float32(0.6) == masks[0, 0, 0]


def test_opaque_files_have_a_small_empty_mask(context: Context) -> None:
    """64 by 64 zeros stand for a file without transparency, as many as there are frames."""
    frames = [Image.new("RGB", (3, 2), (index * 100, 0, 0)) for index in range(2)]
    frames[0].save(context.folders.input / "a.gif", save_all=True, append_images=frames[1:])
    images, masks = call("LoadImage", context, image="a.gif")
    assert ((2, 2, 3, 3), (2, 64, 64), 0) == (images.shape, masks.shape, masks.max())


def test_masks_of_partly_transparent_animations_fit_their_frames(context: Context) -> None:
    """Where one frame has transparency, opaque ones get an empty mask of the same size."""
    pages = [Image.new("RGB", (3, 2)), Image.new("RGBA", (3, 2))]
    pages[0].save(context.folders.input / "a.tif", save_all=True, append_images=pages[1:])
    _, masks = call("LoadImage", context, image="a.tif")
    assert ((2, 2, 3), [0, 1]) == (masks.shape, masks[:, 0, 0].tolist())


@pytest.mark.parametrize(("channel", "expected"), [("red", 1.0), ("green", 0.2), ("blue", 0.0), ("alpha", 0.6)])
def test_channels_become_masks(channel: str, expected: float, context: Context) -> None:
    """Colours as they are, alpha inverted."""
    save(context.folders.input / "a.png", Image.new("RGBA", (3, 2), (255, 51, 0, 102)))
    (mask,) = call("LoadImageMask", context, image="a.png", channel=channel)
    np.testing.assert_array_equal(np.full((1, 2, 3), expected, np.float32), mask)


def test_files_are_found_in_all_three_folders(context: Context) -> None:
    """An annotation names the folder; a camera's picture comes from temp."""
    for level, folder in enumerate((context.folders.input, context.folders.output, context.folders.temp)):
        save(folder / "sub/a.png", Image.new("L", (1, 1), level * 51))
    found = [call("LoadImage", context, image=f"sub/a.png{kind}")[0].item(0) for kind in ("", " [output]", " [temp]")]
    assert [0, np.float32(0.2), np.float32(0.4)] == found
    webcam = {"width": 0, "height": 0, "capture_on_queue": True}
    assert np.float32(0.4) == call("WebcamCapture", context, image="sub/a.png [temp]", **webcam)[0].item(0)


@pytest.mark.parametrize("class_type", LOADERS)
@pytest.mark.parametrize("name", ["nope.png", "../secret.png", "/etc/passwd", "", "a.png [output]"])
def test_files_that_are_not_there_are_named_before_anything_runs(class_type: str, name: str, context: Context) -> None:
    """Missing files and names that lead out of their folder do not pass validation."""
    save(context.folders.input / "a.png", Image.new("L", (1, 1)))
    save(context.folders.input.parent / "secret.png", Image.new("L", (1, 1)))
    validate = REGISTRY[class_type].validate
    assert validate is not None
    assert f"Invalid image file: {name}" == validate(image=name, folders=context.folders)
    assert validate(image="a.png", folders=context.folders) is None


@pytest.mark.parametrize("class_type", LOADERS)
def test_a_changed_file_is_loaded_anew(class_type: str, context: Context) -> None:
    """A loader is known by the digest of its file."""
    save(context.folders.input / "a.png", Image.new("L", (1, 1)))
    fingerprint = REGISTRY[class_type].fingerprint
    assert fingerprint is not None
    expected = hashlib.sha256((context.folders.input / "a.png").read_bytes()).hexdigest()
    assert expected == fingerprint(image="a.png", folders=context.folders)


class TestFolder:
    """LoadImageSetFromFolderNode."""

    @pytest.fixture
    def folder(self, context: Context) -> Path:
        """Return a folder with images of two sizes, and other files."""
        for name, size in (("b.jpg", (4, 2)), ("a.png", (4, 2)), ("c.PNG", (2, 2))):
            save(context.folders.input / "set" / name, Image.new("RGB", size, "white"))
        (context.folders.input / "set/notes.txt").write_text("no image")
        return context.folders.input / "set"

    def test_images_are_loaded_by_name(self, folder: Path, context: Context) -> None:
        """Files that are no images are left out."""
        (folder / "c.PNG").unlink()
        (images,) = call("LoadImageSetFromFolderNode", context, folder="set")
        assert (2, 2, 4, 3) == images.shape

    @pytest.mark.parametrize(
        ("method", "last"), [("Stretch", [1, 1, 1, 1]), ("Pad", [1, 1, 1, 1]), ("Crop", [1, 1, 0, 0])]
    )
    def test_unlike_sizes_are_fitted(self, method: str, last: list[int], folder: Path, context: Context) -> None:
        """Two methods resample, one cuts and fills up with black."""
        (images,) = call("LoadImageSetFromFolderNode", context, folder="set", resize_method=method)
        assert last == images[2, 0, :, 0].tolist()

    def test_unlike_sizes_need_a_method(self, folder: Path, context: Context) -> None:
        """The message names the image and both sizes."""
        with pytest.raises(ValueError, match=r"c\.PNG is \(2, 2\), the folder's first image \(4, 2\) pixels"):
            call("LoadImageSetFromFolderNode", context, folder="set")

    def test_a_folder_without_images_is_named(self, context: Context) -> None:
        """So is one that leads out of the input folder."""
        (context.folders.input / "empty").mkdir()
        with pytest.raises(ValueError, match=r"no images .* in the folder 'empty'"):
            call("LoadImageSetFromFolderNode", context, folder="empty")
        with pytest.raises(ValueError, match="not a path below the input folder"):
            call("LoadImageSetFromFolderNode", context, folder="../empty")

    def test_a_changed_folder_is_loaded_anew(self, folder: Path, context: Context) -> None:
        """Names and contents of its images make the fingerprint."""
        fingerprint = REGISTRY["LoadImageSetFromFolderNode"].fingerprint
        assert fingerprint is not None
        before = fingerprint(folder="set", folders=context.folders)
        (folder / "notes.txt").write_text("changed")
        assert before == fingerprint(folder="set", folders=context.folders)
        (folder / "a.png").rename(folder / "d.png")
        assert before != fingerprint(folder="set", folders=context.folders)


def test_choices_are_what_lies_in_the_input_folder(context: Context) -> None:
    """Images for loaders, folders for the one that reads a folder."""
    save(context.folders.input / "a.png", Image.new("L", (1, 1)))
    save(context.folders.input / "set/b.png", Image.new("L", (1, 1)))
    (context.folders.input / "notes.txt").touch()
    assert ["a.png"] == choices("LoadImage", "image", context.folders)
    assert ["set"] == choices("LoadImageSetFromFolderNode", "folder", context.folders)


def choices(class_type: str, name: str, folders: Folders) -> Any:
    """Return the choices that a client is shown."""
    entry: JSONObject = describe(REGISTRY[class_type], folders)
    return entry["input"]["required"][name][0]
