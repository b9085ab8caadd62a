"""Videos survive their way through a file, and files that hold none are refused clearly."""

import subprocess
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from comfypipe.engine.audio.sound import sound
from comfypipe.engine.pixels.values import Bytes, Floats
from comfypipe.engine.video.components import ComponentsVideo
from comfypipe.engine.video.file import FileVideo
from comfypipe.engine.video.value import Components, Video
from comfypipe.engine.video.webm import write_webm


def pictures(count: int = 6, width: int = 64, height: int = 48) -> Floats:
    """Return smooth moving gradients: what a lossy codec keeps well."""
    rows, columns = np.mgrid[0:height, 0:width]
    frames = [
        np.stack([columns / width, rows / height, np.full_like(rows, index, float) / count], -1)
        for index in range(count)
    ]
    return np.stack(frames).astype(np.float32)


def tone(seconds: float, channels: int = 2, rate_hz: int = 44100) -> Any:
    """Return a tone of 440 Hz."""
    time = np.arange(round(rate_hz * seconds)) / rate_hz
    wave = (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    return sound(np.repeat(wave[None, None], channels, axis=1), rate_hz)


def save(video: Video, path: Path, container: str = "auto", codec: str = "auto", **metadata: str) -> Path:
    """Save a video and return where."""
    video.save(path, container=container, codec=codec, metadata=metadata, on_frame=lambda *_: None)
    return path


def made(images: Floats, rate: Fraction = Fraction(12), audio: Any = None) -> Video:
    """Return a video of frames in memory."""
    return ComponentsVideo(Components(images, rate, audio))


def test_components_come_back(tmp_path: Path) -> None:
    """Size, number and rate of frames come back exactly, pixels and sound nearly."""
    images = pictures()
    video = FileVideo(save(made(images, Fraction(12), tone(0.5)), tmp_path / "a.mp4"))
    parts = video.components()
    assert (64, 48) == video.dimensions()
    assert Fraction(12) == parts.frame_rate
    assert images.shape == parts.images.shape
    assert np.abs(images - parts.images).mean() < 0.02
    assert parts.audio is not None
    assert 44100 == parts.audio["sample_rate"]
    assert pytest.approx(0.5 / np.sqrt(2), rel=0.1) == float(np.sqrt(np.mean(parts.audio["waveform"] ** 2)))


def test_video_without_sound_has_none(tmp_path: Path) -> None:
    """A video that was made without sound has no audio."""
    assert FileVideo(save(made(pictures()), tmp_path / "a.mp4")).components().audio is None


@pytest.mark.parametrize(
    ("expected", "rate"), [(Fraction(24), Fraction(24)), (Fraction(2997, 100), Fraction(30000, 1001)), (1, Fraction(1))]
)
def test_frame_rate_is_kept_to_a_thousandth(tmp_path: Path, expected: Fraction, rate: Fraction) -> None:
    """A rate is rounded to a thousandth of a frame a second."""
    assert expected == FileVideo(save(made(pictures(), rate), tmp_path / "a.mp4")).components().frame_rate


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_sound_ends_with_the_frames(tmp_path: Path, channels: int) -> None:
    """Sound that is longer than the frames is cut, and is stereo in the file."""
    path = save(made(pictures(6), Fraction(12), tone(5.0, channels)), tmp_path / "a.mp4")
    with av.open(path) as container:
        (stream,) = container.streams.audio
        assert stream.duration is not None
        assert stream.time_base is not None
        assert pytest.approx(0.5, abs=0.05) == float(stream.duration * stream.time_base)
        assert 2 == stream.codec_context.layout.nb_channels


def test_codec_and_tags(tmp_path: Path) -> None:
    """The file is H.264 in yuv420p with AAC, and carries its tags."""
    path = save(made(pictures(), audio=tone(0.5)), tmp_path / "a.mp4", prompt='{"1": "ä"}')
    with av.open(path) as container:
        video, audio = container.streams.video[0].codec_context, container.streams.audio[0].codec_context
        assert ("h264", "yuv420p", "aac") == (video.name, video.pix_fmt, audio.name)
        assert '{"1": "ä"}' == container.metadata["prompt"]


ENCODE = """
import sys
import tracemalloc
from tests.unit.engine.video.test_video_files import *
save(made(pictures(20, 96, 64), audio=tone(1.5)), Path(sys.argv[1]), prompt="{}")
"""


def test_the_same_frames_give_the_same_bytes(tmp_path: Path, root: Path) -> None:
    """Compression is deterministic, from one process to the next."""
    contents = set()
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        subprocess.run([sys.executable, "-c", ENCODE, str(tmp_path / name)], check=True, cwd=root)
        contents.add((tmp_path / name).read_bytes())
    assert 1 == len(contents)


@pytest.mark.parametrize("codec", ["vp9", "av1"])
def test_webm(tmp_path: Path, codec: str) -> None:
    """WebM comes out the same twice, and its frames come back."""
    images = pictures()
    frames: list[Bytes] = [(each * 255).astype(np.uint8) for each in images]
    for name in ("a", "b"):
        write_webm(tmp_path / name, frames, (64, 48), Fraction(12), codec, 20.0, {"prompt": "{}"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    parts = FileVideo(tmp_path / "a").components()
    assert Fraction(12) == parts.frame_rate
    assert np.abs(images - parts.images).mean() < 0.03


def test_a_file_is_copied_as_it_is(tmp_path: Path) -> None:
    """A video that is MP4 already is not compressed again, and keeps its tags beside the new ones."""
    source = save(made(pictures(), audio=tone(0.5)), tmp_path / "a.mp4", prompt='"old"', workflow='"kept"')
    copy = save(FileVideo(source), tmp_path / "b.mp4", "mp4", "h264", prompt='"new"')
    before, after = FileVideo(source).components(), FileVideo(copy).components()
    np.testing.assert_array_equal(before.images, after.images)
    assert before.audio is not None
    assert after.audio is not None
    np.testing.assert_array_equal(before.audio["waveform"], after.audio["waveform"])
    with av.open(copy) as container:
        assert ('"new"', '"kept"') == (container.metadata["prompt"], container.metadata["workflow"])


def test_another_format_is_compressed_anew(tmp_path: Path) -> None:
    """A WebM that is to be MP4 comes out as H.264 with the same number of frames."""
    write_webm(
        tmp_path / "a.webm", (np.full((48, 64, 3), n, np.uint8) for n in range(5)), (64, 48), Fraction(8), "vp9", 20, {}
    )
    seen: list[tuple[int, int]] = []
    FileVideo(tmp_path / "a.webm").save(
        tmp_path / "b.mp4",
        container="mp4",
        codec="auto",
        metadata={},
        on_frame=lambda done, total: seen.append((done, total)),
    )
    assert [1, 2, 3, 4, 5] == [done for done, _ in seen]
    assert (5, 48, 64, 3) == FileVideo(tmp_path / "b.mp4").components().images.shape


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    """Compressing a file anew holds a few frames at a time, however many there are."""
    frame = np.zeros((96, 128, 3), np.uint8)
    peaks = []
    for count in (20, 200):
        write_webm(tmp_path / "a.webm", (frame for _ in range(count)), (128, 96), Fraction(24), "vp9", 60, {})
        tracemalloc.start()
        save(FileVideo(tmp_path / "a.webm"), tmp_path / "b.mp4", "mp4", "h264")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 4 * frame.nbytes


@pytest.mark.parametrize(("width", "height"), [(63, 48), (64, 47)])
def test_odd_size(tmp_path: Path, width: int, height: int) -> None:
    """An odd width or height is FFmpeg's own class of error, with the size in its message."""
    with pytest.raises(
        av.error.ExternalError, match=f"images: {width}x{height} pixels, H.264 .* even width and height"
    ):
        save(made(pictures(2, width, height)), tmp_path / "a.mp4")


@pytest.mark.parametrize(
    ("kind", "message", "video"),
    [
        (ValueError, "images: there is no frame to write", made(pictures()[:0])),
        (ValueError, "frames of 4 channels, expected 3", made(np.zeros((1, 4, 4, 4), np.float32))),
        (ValueError, "fps: 0 frames a second", made(pictures(), Fraction(0))),
        (ValueError, "fps: -3 frames a second", made(pictures(), Fraction(-3))),
        (ValueError, "audio: 44101 Hz is not a rate that AAC has", made(pictures(), audio=tone(0.1, 1, 44101))),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, kind: type[Exception], message: str, video: Video) -> None:
    """No frames, transparency, no frame rate and a rate that AAC lacks are named."""
    with pytest.raises(kind, match=message):
        save(video, tmp_path / "a.mp4")


def test_webm_of_nothing(tmp_path: Path) -> None:
    """A WebM needs a frame and a codec that is one of the two."""
    with pytest.raises(ValueError, match="no frame to write"):
        write_webm(tmp_path / "a", [], (64, 48), Fraction(8), "vp9", 20, {})
    with pytest.raises(ValueError, match="codec: 'h264', expected one of vp9, av1"):
        write_webm(tmp_path / "a", [], (64, 48), Fraction(8), "h264", 20, {})


@pytest.mark.parametrize("keep", [0, 0.5])
def test_a_file_cut_short(tmp_path: Path, keep: float) -> None:
    """A file whose index is missing, or that is empty, is refused with its name and a guess at the cause."""
    content = save(made(pictures()), tmp_path / "a.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(av.error.FFmpegError, match=r"cannot read cut\.mp4: .*cut short or damaged"):
        FileVideo(tmp_path / "cut.mp4").components()


def test_a_file_without_pictures(tmp_path: Path) -> None:
    """A sound file is no video."""
    from comfypipe.engine.audio.encode import Codec, write_audio

    write_audio(tmp_path / "a.flac", tone(0.1)["waveform"][0], 44100, Codec("flac", "flac"), {})
    with pytest.raises(ValueError, match=r"No video stream found in file 'a\.flac'"):
        FileVideo(tmp_path / "a.flac").dimensions()


def test_what_mp4_cannot_hold(tmp_path: Path) -> None:
    """Copying a codec that MP4 does not know fails with what to do instead."""
    with av.open(tmp_path / "a.avi", "w") as container:
        stream = container.add_stream("huffyuv", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv422p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    with pytest.raises(ValueError, match=r"cannot copy a\.avi into an MP4 file: .*h264 it is compressed anew"):
        save(FileVideo(tmp_path / "a.avi"), tmp_path / "b.mp4")
    assert 3 == len(
        FileVideo(save(FileVideo(tmp_path / "a.avi"), tmp_path / "c.mp4", "mp4", "h264")).components().images
    )


def test_a_stopped_video_stops(tmp_path: Path) -> None:
    """What the listener raises ends the work at that frame."""

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        made(pictures()).save(tmp_path / "a.mp4", container="auto", codec="auto", metadata={}, on_frame=stop)
