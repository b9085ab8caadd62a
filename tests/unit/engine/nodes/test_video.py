"""Video nodes make, load, take apart and save as ComfyUI's do."""

import os
from typing import Any

import av
import numpy as np
import pytest
from tests.unit.engine.nodes.conftest import Execution

from comfypipe.engine.audio.sound import sound
from comfypipe.engine.nodes.video import NODES
from comfypipe.engine.registry import Registry, Result

REGISTRY = Registry(NODES)


def run(class_type: str, **inputs: Any) -> Any:
    """Call a node and return its only output, or all of them."""
    result = REGISTRY[class_type].function(**inputs)
    assert isinstance(result, tuple)
    return result[0] if len(result) == 1 else result


IMAGES = np.linspace(0, 1, 4 * 48 * 64 * 3, dtype=np.float32).reshape(4, 48, 64, 3)
SAVE = {"filename_prefix": "clips/a_%width%x%height%", "format": "auto", "codec": "auto"}


def test_made_video_gives_back_its_components() -> None:
    """A video that was made and never saved gives exactly what it was made of."""
    audio = sound(np.zeros((1, 2, 9), np.float32), 8000)
    images, sounds, fps = run("GetVideoComponents", video=run("CreateVideo", images=IMAGES, fps=7.5, audio=audio))
    assert IMAGES is images
    assert audio is sounds
    assert 7.5 == fps


def test_saved_video_loads_again(context: Execution) -> None:
    """SaveVideo says where the file is and that it moves; LoadVideo and GetVideoComponents read it back."""
    result = REGISTRY["SaveVideo"].function(video=run("CreateVideo", images=IMAGES, fps=8.0), context=context, **SAVE)
    entry = {"filename": "a_64x48_00001_.mp4", "subfolder": "clips", "type": "output"}
    assert Result(ui={"images": [entry], "animated": [True]}) == result
    assert [(1, 4), (2, 4), (3, 4), (4, 4)] == context.steps
    video = run("LoadVideo", file="clips/a_64x48_00001_.mp4 [output]", context=context)
    images, audio, fps = run("GetVideoComponents", video=video)
    assert IMAGES.shape == images.shape
    assert audio is None
    assert 8.0 == fps
    with av.open(context.folders.output / "clips/a_64x48_00001_.mp4") as container:
        assert '{"nodes": []}' == container.metadata["workflow"]


def test_saved_webm(context: Execution) -> None:
    """SaveWEBM drops transparency and says that its file moves."""
    images = np.concatenate([IMAGES, IMAGES[..., :1]], axis=-1)
    inputs = {"filename_prefix": "a", "codec": "vp9", "fps": 8.0, "crf": 30.0}
    result = REGISTRY["SaveWEBM"].function(images=images, context=context, **inputs)
    entry = {"filename": "a_00001_.webm", "subfolder": "", "type": "output"}
    assert Result(ui={"images": [entry], "animated": [True]}) == result
    video = run("LoadVideo", file="a_00001_.webm [output]", context=context)
    assert IMAGES.shape == run("GetVideoComponents", video=video)[0].shape


@pytest.mark.parametrize(
    ("kind", "message", "inputs"),
    [
        (ValueError, "format: 'mkv' is not supported, expected one of auto, mp4", {"format": "mkv"}),
        (ValueError, "codec: 'vp9' is not supported, expected one of auto, h264", {"codec": "vp9"}),
        (Exception, "outside the output folder", {"filename_prefix": "../a"}),
    ],
)
def test_save_refuses(context: Execution, kind: type[Exception], message: str, inputs: dict[str, str]) -> None:
    """A format or codec that validation lets through, and a place outside, are refused."""
    video = run("CreateVideo", images=IMAGES, fps=8.0)
    with pytest.raises(kind, match=message):
        REGISTRY["SaveVideo"].function(video=video, context=context, **(SAVE | inputs))


def test_failed_save_leaves_nothing(context: Execution) -> None:
    """An odd size is an error of FFmpeg's own class, and no file is left behind."""
    video = run("CreateVideo", images=IMAGES[:, :47], fps=8.0)
    with pytest.raises(av.error.ExternalError, match="64x47 pixels"):
        REGISTRY["SaveVideo"].function(video=video, context=context, **SAVE)
    assert [] == [path for path in context.folders.output.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("message", "inputs"),
    [
        (r"images: expected \(frame, height, width, channel\), got \(48, 64, 3\)", {"images": IMAGES[0], "fps": 8.0}),
        ("audio: expected a float32 waveform", {"images": IMAGES, "fps": 8.0, "audio": sound(IMAGES, 8000)}),
        ("cannot convert Infinity|inf", {"images": IMAGES, "fps": float("inf")}),
    ],
)
def test_create_refuses(message: str, inputs: dict[str, Any]) -> None:
    """Arrays of another rank and a frame rate without end are refused where they come in."""
    with pytest.raises((ValueError, OverflowError), match=message):
        run("CreateVideo", **inputs)


def test_missing_file_fails_validation(context: Execution) -> None:
    """A file that is not there is found out before execution, in ComfyUI's words."""
    check = REGISTRY["LoadVideo"].validate
    assert check is not None
    assert "Invalid video file: nope.mp4" == check(file="nope.mp4", folders=context.folders)
    (context.folders.input / "a.mp4").touch()
    assert check(file="a.mp4", folders=context.folders) is None


def test_fingerprint_follows_the_bytes(context: Execution) -> None:
    """The cache sees another video where the same name holds other bytes, and no other where it was touched."""
    fingerprint = REGISTRY["LoadVideo"].fingerprint
    assert fingerprint is not None
    seen = []
    for time_s, content in ((1, b"x"), (2, b"x"), (2, b"y")):
        (context.folders.input / "a.mp4").write_bytes(content)
        os.utime(context.folders.input / "a.mp4", (time_s, time_s))
        seen.append(fingerprint(file="a.mp4", folders=context.folders))
    assert seen[0] == seen[1] != seen[2]
