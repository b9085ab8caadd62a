"""Small media files with a workflow in them, written by the libraries that ComfyUI writes them with."""

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from comfypipe._types import JSONObject

PROMPT: JSONObject = {"1": {"class_type": "Text", "inputs": {"text": "grün ✓"}}}
GRAPH: JSONObject = {"nodes": [{"id": 1, "type": "Text"}], "links": [], "version": 0.4}


def png(path: Path, *, compressed: bool = False, international: bool = False) -> Path:
    """Write a picture with the workflow in text chunks."""
    info = PngInfo()
    add = info.add_itxt if international else info.add_text
    add("prompt", json.dumps(PROMPT, ensure_ascii=not international), zip=compressed)
    add("workflow", json.dumps(GRAPH), zip=compressed)
    Image.new("RGB", (4, 4)).save(path, "PNG", pnginfo=info)
    return path


def animated_png(path: Path) -> Path:
    """Write a picture with the workflow in chunks after its data, as ``SaveAnimatedPNG`` does."""
    info = PngInfo()
    for key, value in (("prompt", PROMPT), ("workflow", GRAPH)):
        info.add(b"comf", f"{key}\0{json.dumps(value)}".encode("latin-1"), after_idat=True)
    Image.new("RGB", (4, 4)).save(path, "PNG", pnginfo=info)
    return path


def exif_picture(path: Path, *, big_endian: bool = False) -> Path:
    """Write a WEBP or JPEG file, by its suffix, with the workflow in Exif texts."""
    exif = Image.Exif()
    exif.endian = ">" if big_endian else "<"
    exif[0x0110] = "prompt:" + json.dumps(PROMPT)
    exif[0x010F] = "workflow:" + json.dumps(GRAPH)
    Image.new("RGB", (4, 4)).save(path, exif=exif)
    return path


def user_comment_picture(path: Path, coding: bytes = b"UNICODE\0", encoding: str = "utf-16-be") -> Path:
    """Write a JPEG file with the workflow in the Exif user comment."""
    exif = Image.Exif()
    exif.endian = ">"
    both = json.dumps({"prompt": PROMPT, "workflow": GRAPH})
    exif.get_ifd(0x8769)[0x9286] = coding + both.encode(encoding)
    Image.new("RGB", (4, 4)).save(path, exif=exif)
    return path


def video(path: Path, *, comment: bool = False) -> Path:
    """Write a video, by its suffix, with the workflow as metadata of its own or as a comment."""
    options = {"movflags": "use_metadata_tags"} if path.suffix in (".mp4", ".mov") and not comment else {}
    codec = "libvpx-vp9" if path.suffix == ".webm" else "h264"
    with av.open(str(path), "w", options=options) as container:
        if comment:
            container.metadata["comment"] = json.dumps({"prompt": json.dumps(PROMPT), "workflow": GRAPH})
        else:
            container.metadata.update({"prompt": json.dumps(PROMPT), "workflow": json.dumps(GRAPH)})
        stream = container.add_stream(codec, rate=Fraction(24))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def sound(path: Path) -> Path:
    """Write a sound, by its suffix, with the workflow in its comments."""
    codec = {".flac": "flac", ".mp3": "libmp3lame", ".opus": "libopus"}[path.suffix]
    with av.open(str(path), "w") as container:
        container.metadata.update({"prompt": json.dumps(PROMPT), "workflow": json.dumps(GRAPH)})
        stream = container.add_stream(codec, rate=48000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        samples = np.zeros((1, 2400), np.int16 if codec == "flac" else np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="s16" if codec == "flac" else "fltp", layout="mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
