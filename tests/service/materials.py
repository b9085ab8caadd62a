"""What tests of the service send: prompts, and files of every kind."""

import io
import json
import struct
from typing import Any

import av
import numpy as np
from PIL import Image

Prompt = dict[str, dict[str, Any]]


def picture_prompt(colour: int = 0x336699, prefix: str = "picture", *, width: int = 32) -> Prompt:
    """Return a prompt that makes and saves a picture of one colour."""
    size = {"width": width, "height": 32, "batch_size": 1, "color": colour}
    return {
        "1": {"class_type": "EmptyImage", "inputs": size},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
    }


def copy_prompt(filename: str) -> Prompt:
    """Return a prompt that saves a picture that it is given."""
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": filename, "upload": "image"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "copy"}},
    }


def slow_prompt(colour: int, blurs: int = 24) -> Prompt:
    """Return a prompt that takes the engine a while."""
    prompt: Prompt = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 1024, "height": 1024, "batch_size": 1, "color": colour}}
    }
    for number in range(blurs):
        inputs = {"image": [str(number + 1), 0], "blur_radius": 31, "sigma": 10.0}
        prompt[str(number + 2)] = {"class_type": "ImageBlur", "inputs": inputs}
    save = {"images": [str(blurs + 1), 0], "filename_prefix": "slow"}
    prompt[str(blurs + 2)] = {"class_type": "SaveImage", "inputs": save}
    return prompt


def png(colour: tuple[int, int, int] = (200, 30, 30), size: tuple[int, int] = (24, 16)) -> bytes:
    """Return a picture."""
    written = io.BytesIO()
    Image.new("RGB", size, colour).save(written, "PNG")
    return written.getvalue()


def jpeg(colour: tuple[int, int, int] = (30, 200, 30)) -> bytes:
    """Return a photo."""
    written = io.BytesIO()
    Image.new("RGB", (24, 16), colour).save(written, "JPEG")
    return written.getvalue()


def mp4(frames: int = 4) -> bytes:
    """Return a short film."""
    written = io.BytesIO()
    with av.open(written, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 40 * number, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return written.getvalue()


def safetensors() -> bytes:
    """Return a model of one small tensor."""
    header = json.dumps({"weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    return struct.pack("<Q", len(header)) + header + struct.pack("<2f", 0.5, 0.25)
