"""What video, sound and animation nodes of the engine take, as a multiple of the same work in plain PyAV and Pillow."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from _timing import best_of, table
from comfypipe._types import JSONObject
from comfypipe.engine.audio.sound import sound
from comfypipe.engine.nodes import animated, audio, video
from comfypipe.engine.registry import Folders

Floats = NDArray[np.float32]
FRAMES, SIDE, RATE, SECONDS = 24, 512, 24, 10
LIMITS = {"SaveVideo, H.264": 1.3, "SaveAnimatedWEBP, lossless": 1.3, "SaveAnimatedWEBP, lossy": 1.3}
RUNS = 5


@dataclass(frozen=True)
class Context:
    """What nodes ask of their execution."""

    folders: Folders
    node_id: str = "1"
    prompt: JSONObject = field(default_factory=dict)
    extra_pnginfo: JSONObject = field(default_factory=dict)

    def progress(self, value: int, maximum: int) -> None:
        """Take no notice."""


def moving_picture() -> Floats:
    """Draw waves that move, with a little noise."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    noise = np.random.default_rng(1).normal(0, 0.02, (SIDE, SIDE, 1)).astype(np.float32)
    frames = [
        np.stack([np.sin(x / 97 + time / 5), np.cos(y / 61 - time / 9), (x + y) / SIDE - 1], -1) * 0.4 + 0.5 + noise
        for time in range(FRAMES)
    ]
    return np.clip(np.stack(frames), 0, 1).astype(np.float32)


def noise_sound(rate_hz: int) -> Floats:
    """Return stereo noise."""
    return np.random.default_rng(2).normal(0, 0.2, (1, 2, rate_hz * SECONDS)).astype(np.float32)


def to_bytes(image: Floats) -> NDArray[np.uint8]:
    """Convert as one writes it."""
    return np.clip(255 * image, 0, 255).astype(np.uint8)


def plain_video(images: Floats, path: Path, codec: str, pixel_format: str, options: dict[str, str]) -> None:
    """Write a video as PyAV's own examples do."""
    with av.open(path, "w") as container:
        container.metadata["prompt"] = json.dumps({})
        stream = cast("VideoStream", container.add_stream(codec, rate=RATE, options=options))
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, pixel_format
        if "crf" in options:
            stream.bit_rate = 0
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(to_bytes(image), format="rgb24")))
        container.mux(stream.encode(None))


def plain_frames(path: Path) -> Floats:
    """Read all frames."""
    with av.open(path) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return np.stack(frames).astype(np.float32) / np.float32(255)


def plain_webp(images: Floats, path: Path, **options: Any) -> None:
    """Save with Pillow."""
    frames = [Image.fromarray(to_bytes(image)) for image in images]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=1000 // RATE, **options)


def plain_flac(waveform: Floats, path: Path, rate_hz: int) -> None:
    """Write FLAC in one frame."""
    with av.open(path, "w") as container:
        stream = container.add_stream("flac", rate=rate_hz, layout="stereo")
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(waveform[0].T).reshape(1, -1), format="flt", layout="stereo"
        )
        frame.sample_rate, frame.pts = rate_hz, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def plain_resample(waveform: Floats, up: int, down: int) -> Floats:
    """Resample with scipy."""
    from scipy import signal

    return np.asarray(signal.resample_poly(waveform, up, down, axis=-1))


def cases(context: Context) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """Return for each piece of work the node's function and the plain one."""
    images = moving_picture()
    out = context.folders.output
    waveform, silence = noise_sound(44100), sound(np.zeros((1, 2, 1), np.float32), 48000)
    made = video.create_video(images, RATE)[0]
    source = context.folders.input / "clip.mp4"
    made.save(source, container="auto", codec="auto", metadata={}, on_frame=context.progress)
    webp = {"lossless": True, "quality": 80, "method": 4}
    lossy = webp | {"lossless": False}
    return {
        "SaveVideo, H.264": (
            lambda: video.save_video(made, "node", "auto", "auto", context),
            lambda: plain_video(images, out / "plain.mp4", "h264", "yuv420p", {}),
        ),
        "SaveWEBM, VP9": (
            lambda: video.save_webm(images, "node", "vp9", RATE, 32.0, context),
            lambda: plain_video(images, out / "plain.webm", "libvpx-vp9", "yuv420p", {"crf": "32"}),
        ),
        "GetVideoComponents": (
            lambda: video.get_components(video.load_video("clip.mp4", context)[0]),
            lambda: plain_frames(source),
        ),
        "SaveAnimatedWEBP, lossless": (
            lambda: animated.save_webp(images, "node", RATE, True, 80, "default", context),
            lambda: plain_webp(images, out / "plain.webp", **webp),
        ),
        "SaveAnimatedWEBP, lossy": (
            lambda: animated.save_webp(images, "node", RATE, False, 80, "default", context),
            lambda: plain_webp(images, out / "plain.webp", **lossy),
        ),
        f"SaveAudio, {SECONDS} s": (
            lambda: audio.save_flac(sound(waveform, 44100), "node", context),
            lambda: plain_flac(waveform, out / "plain.flac", 44100),
        ),
        f"AudioConcat, {SECONDS} s from 44.1 to 48 kHz": (
            lambda: audio.concatenate(sound(waveform, 44100), silence, "after"),
            lambda: plain_resample(waveform, 160, 147),
        ),
    }


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        folders = Folders(*(Path(folder, name) for name in ("input", "output", "temp")))
        folders.input.mkdir()
        folders.output.mkdir()
        rows = []
        for name, (node, plain) in cases(Context(folders)).items():
            # In turn, so that both meet the same noise.
            times = [(best_of(node, 1), best_of(plain, 1)) for _ in range(RUNS)]
            node_s, plain_s = (min(column) for column in zip(*times, strict=True))
            limit = LIMITS.get(name)
            over = " (over)" if limit and node_s / plain_s > limit else ""
            ratio = f"{node_s / plain_s:.2f}{over}"
            rows.append([name, f"{node_s * 1000:.0f}", f"{plain_s * 1000:.0f}", ratio, str(limit or "")])
    print(f"{FRAMES} frames of {SIDE} x {SIDE} pixels.\n")
    print(table(["work", "node ms", "plain ms", "ratio", "goal at most"], rows))


if __name__ == "__main__":
    main()
