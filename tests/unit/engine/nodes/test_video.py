"""Video nodes make, load, take apart and save as ComfyUI's do."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from comfypipe._types import JSONObject
from comfypipe.engine.audio.sound import sound
from comfypipe.engine.nodes.video import NODES
from comfypipe.engine.registry import Folders, Registry, Result

REGISTRY = Registry(NODES)


@dataclass(frozen=True)
class Here:
    """An execution whose folders are all one folder."""

    folder: Path
    report: Callable[[int, int], None] = lambda *_: None
    node_id: str = "1"
    prompt: JSONObject = field(default_factory=lambda: {"1": {"class_type": "X", "inputs": {}}})
    extra_pnginfo: JSONObject = field(default_factory=lambda: {"workflow": {"nodes": []}})

    @property
    def folders(self) -> Folders:
        """The one folder."""
        return Folders(self.folder, self.folder, self.folder)

    def progress(self, value: int, maximum: int) -> None:
        """Tell whoever looks."""
        self.report(value, maximum)


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


def test_saved_video_loads_again(tmp_path: Path) -> None:
    """SaveVideo says where the file is and that it moves; LoadVideo and GetVideoComponents read it back."""
    steps: list[tuple[int, int]] = []
    here = Here(tmp_path, lambda *step: steps.append(step))
    result = REGISTRY["SaveVideo"].function(video=run("CreateVideo", images=IMAGES, fps=8.0), context=here, **SAVE)
    entry = {"filename": "a_64x48_00001_.mp4", "subfolder": "clips", "type": "output"}
    assert Result(ui={"images": [entry], "animated": [True]}) == result
    assert [(1, 4), (2, 4), (3, 4), (4, 4)] == steps
    video = run("LoadVideo", file="clips/a_64x48_00001_.mp4 [output]", context=here)
    images, audio, fps = run("GetVideoComponents", video=video)
    assert IMAGES.shape == images.shape
    assert audio is None
    assert 8.0 == fps
    with av.open(tmp_path / "clips/a_64x48_00001_.mp4") as container:
        assert '{"nodes": []}' == container.metadata["workflow"]


def test_saved_webm(tmp_path: Path) -> None:
    """SaveWEBM drops transparency and says that its file moves."""
    images = np.concatenate([IMAGES, IMAGES[..., :1]], axis=-1)
    inputs = {"filename_prefix": "a", "codec": "vp9", "fps": 8.0, "crf": 30.0}
    result = REGISTRY["SaveWEBM"].function(images=images, context=Here(tmp_path), **inputs)
    entry = {"filename": "a_00001_.webm", "subfolder": "", "type": "output"}
    assert Result(ui={"images": [entry], "animated": [True]}) == result
    video = run("LoadVideo", file="a_00001_.webm", context=Here(tmp_path))
    assert IMAGES.shape == run("GetVideoComponents", video=video)[0].shape


@pytest.mark.parametrize(
    ("kind", "message", "inputs"),
    [
        (ValueError, "format: 'mkv' is not supported, expected one of auto, mp4", {"format": "mkv"}),
        (ValueError, "codec: 'vp9' is not supported, expected one of auto, h264", {"codec": "vp9"}),
        (Exception, "outside the output folder", {"filename_prefix": "../a"}),
    ],
)
def test_save_refuses(tmp_path: Path, kind: type[Exception], message: str, inputs: dict[str, str]) -> None:
    """A format or codec that validation lets through, and a place outside, are refused."""
    video = run("CreateVideo", images=IMAGES, fps=8.0)
    with pytest.raises(kind, match=message):
        REGISTRY["SaveVideo"].function(video=video, context=Here(tmp_path), **(SAVE | inputs))


def test_failed_save_leaves_nothing(tmp_path: Path) -> None:
    """An odd size is an error of FFmpeg's own class, and no file is left behind."""
    video = run("CreateVideo", images=IMAGES[:, :47], fps=8.0)
    with pytest.raises(av.error.ExternalError, match="64x47 pixels"):
        REGISTRY["SaveVideo"].function(video=video, context=Here(tmp_path), **SAVE)
    assert [] == [path for path in tmp_path.rglob("*") if path.is_file()]


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


def test_missing_file_fails_validation(tmp_path: Path) -> None:
    """A file that is not there is found out before execution, in ComfyUI's words."""
    check = REGISTRY["LoadVideo"].validate
    assert check is not None
    assert "Invalid video file: nope.mp4" == check(file="nope.mp4", folders=Here(tmp_path).folders)
    (tmp_path / "a.mp4").touch()
    assert check(file="a.mp4", folders=Here(tmp_path).folders) is None


def test_fingerprint_follows_the_bytes(tmp_path: Path) -> None:
    """The cache sees another video where the same name holds other bytes, and no other where it was touched."""
    fingerprint = REGISTRY["LoadVideo"].fingerprint
    assert fingerprint is not None
    seen = []
    for time_s, content in ((1, b"x"), (2, b"x"), (2, b"y")):
        (tmp_path / "a.mp4").write_bytes(content)
        os.utime(tmp_path / "a.mp4", (time_s, time_s))
        seen.append(fingerprint(file="a.mp4", folders=Here(tmp_path).folders))
    assert seen[0] == seen[1] != seen[2]
