"""Output nodes that the engine does not have: what they would save, in a form that it can write."""

import json
import struct
from pathlib import Path
from typing import Any

from comfypipe._types import JSONObject
from comfypipe.engine.nodes.audio import save_flac
from comfypipe.engine.nodes.save import preview_images, save_images
from comfypipe.engine.nodes.vector import save_svg
from comfypipe.engine.nodes.video import create_video, save_video
from comfypipe.engine.registry import Result
from comfypipe.engine.saving import save_location, written
from comfypipe.engine.simulation.call import Call
from comfypipe.engine.simulation.stand_in import StandIn
from comfypipe.engine.vector import Svg
from comfypipe.engine.video.value import Video


def save(call: Call) -> JSONObject:
    """Save what came in, and return what clients are shown; a text where nothing can be saved."""
    prefix = call.inputs.get("filename_prefix")
    prefix = prefix if isinstance(prefix, str) and prefix else f"simulated/{call.class_type}"
    shown: JSONObject = {}
    for value in call.values():
        ui = _saved(call, value, prefix)
        for key, entries in (ui or {}).items():
            shown[key] = [*shown.get(key, ()), *entries]
    return shown or {"text": [f"simulated: {call.class_type} saved nothing"]}


def _saved(call: Call, value: Any, prefix: str) -> JSONObject | None:
    if any(value is each for each in call.images):
        return _images(call, value, prefix).ui
    if isinstance(value, Video):
        return save_video(value, prefix, "auto", "auto", call.context).ui
    if isinstance(value, dict) and "waveform" in value:
        return save_flac(value, prefix, call.context).ui
    if isinstance(value, Svg):
        return save_svg(value, prefix, call.context).ui
    if isinstance(value, StandIn) and value.kind == "MESH":
        return _mesh(call, prefix)
    return None


def _images(call: Call, images: Any, prefix: str) -> Result:
    if "preview" in call.class_type.lower():
        return preview_images(images, call.context)
    rate = call.inputs.get("frame_rate", call.inputs.get("fps"))
    if isinstance(rate, (int, float)) and len(images) > 1 and not images.shape[1] % 2 and not images.shape[2] % 2:
        (video,) = create_video(images[..., :3], float(rate))
        return save_video(video, prefix, "auto", "auto", call.context)
    return save_images(images, prefix, call.context)


def _mesh(call: Call, prefix: str) -> JSONObject:
    location = save_location(prefix, call.context.folders.output)
    name = location.name("glb")
    with written(location.folder / name) as path:
        _write_glb(path, {"simulated": True, "by": "comfypipe", "prompt": call.context.prompt})
    return {"3d": [{"filename": name, "subfolder": location.subfolder, "type": "output"}]}


def _write_glb(path: Path, extras: JSONObject) -> None:
    """Write a tetrahedron as binary glTF 2.0, with *extras* where the format has a place for them."""
    corners = ((1.0, 1.0, 1.0), (-1.0, -1.0, 1.0), (-1.0, 1.0, -1.0), (1.0, -1.0, -1.0))
    faces = (0, 1, 3, 0, 2, 1, 0, 3, 2, 1, 2, 3)
    data = b"".join(struct.pack("<3f", *each) for each in corners) + struct.pack("<12H", *faces)
    document: JSONObject = {
        "asset": {"version": "2.0", "generator": "comfypipe simulate:", "extras": extras},
        "buffers": [{"byteLength": len(data)}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 48, "target": 34962},
            {"buffer": 0, "byteOffset": 48, "byteLength": 24, "target": 34963},
        ],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3", "min": [-1] * 3, "max": [1] * 3},
            {"bufferView": 1, "componentType": 5123, "count": 12, "type": "SCALAR"},
        ],
        "meshes": [{"name": "SIMULATED", "primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "nodes": [{"mesh": 0, "name": "SIMULATED"}],
        "scenes": [{"nodes": [0]}],
        "scene": 0,
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(data), 0x004E4942) + data
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)
