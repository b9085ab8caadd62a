"""
Nodes on 3D models, which the front end draws: the server only passes on what it drew.

Source: ComfyUI ``nodes_load_3d`` (0.3.64).
"""

from collections.abc import Callable, Iterator
from typing import Any

from comfypipe._types import JSON, JSONObject
from comfypipe.engine.loading import file_digest, is_file, resolve_file
from comfypipe.engine.nodes.load import load_image
from comfypipe.engine.pixels.values import Floats
from comfypipe.engine.registry import (
    Context,
    Folders,
    InputSpec,
    NodeClass,
    Result,
    files_below,
    integer,
    outputs,
    required,
)
from comfypipe.engine.video.file import FileVideo
from comfypipe.engine.video.value import Video

_DRAWN = ("image", "mask", "normal", "lineart", "recording")
"""What the front end stores under names of files; ``camera_info`` stands beside them."""


def load_model(
    model_file: str,
    image: JSONObject,
    width: int,  # noqa: ARG001  the front end's
    height: int,  # noqa: ARG001  the front end's
    context: Context,
) -> tuple[Floats, Floats, str, Floats, Floats, JSON, Video | None]:
    """
    Load what the front end drew of a model: picture, mask, normals, lines, and the video of a camera movement.

    Raises:
        KeyError: The front end did not draw one of them.
        FileNotFoundError: It names a file that is not there.
    """
    picture, mask, normal = _views(image, context)
    lines = _picture(image, "lineart", context)[0]
    return picture, mask, model_file, normal, lines, _drawn(image, "camera_info"), _recording(image, context)


def load_animation(
    model_file: str,
    image: JSONObject,
    width: int,  # noqa: ARG001  the front end's
    height: int,  # noqa: ARG001  the front end's
    context: Context,
) -> tuple[Floats, Floats, str, Floats, JSON, Video | None]:
    """
    Load what the front end drew of an animated model: picture, mask, normals, and the video of a camera movement.

    Raises: as `load_model`.
    """
    picture, mask, normal = _views(image, context)
    return picture, mask, model_file, normal, _drawn(image, "camera_info"), _recording(image, context)


def preview_model(model_file: str, camera_info: JSON = None) -> Result:
    """Show a model file, seen from where the camera is."""
    return Result(ui={"result": [model_file, camera_info]})


def _views(image: JSONObject, context: Context) -> tuple[Floats, Floats, Floats]:
    return (
        _picture(image, "image", context)[0],
        _picture(image, "mask", context)[1],
        _picture(image, "normal", context)[0],
    )


def _picture(image: JSONObject, name: str, context: Context) -> tuple[Floats, Floats]:
    return load_image(str(_drawn(image, name)), context)


def _recording(image: JSONObject, context: Context) -> Video | None:
    name = _drawn(image, "recording")
    return FileVideo(resolve_file(str(name), context.folders)) if name != "" else None


def _drawn(image: JSONObject, name: str) -> JSON:
    if not isinstance(image, dict):
        raise TypeError(f"image: expected what the front end drew, by name, got {type(image).__name__}")
    if name not in image:
        raise KeyError(f"image: the front end drew no {name}")
    return image[name]


def _digests(image: Any, folders: Folders, **_others: object) -> JSON:
    return [file_digest(resolve_file(each, folders)) for each in _named(image) if is_file(each, folders)]


def _named(image: Any) -> Iterator[str]:
    drawn = image if isinstance(image, dict) else {}
    return (drawn[name] for name in _DRAWN if isinstance(drawn.get(name), str) and drawn[name])


def _loader(
    class_type: str,
    display_name: str,
    function: Callable[..., tuple[Any, ...]],
    drawn: str,
    suffixes: tuple[str, ...],
    given: dict[str, str],
) -> NodeClass:
    return NodeClass(
        class_type,
        function,
        {
            "model_file": files_below("3d", *suffixes, file_upload=True),
            "image": InputSpec(drawn, always_options=True),
            "width": integer(1024, 1, 4096, step=1),
            "height": integer(1024, 1, 4096, step=1),
        },
        outputs(*given.values(), names=tuple(given)),
        category="3d",
        display_name=display_name,
        description=(function.__doc__ or "").strip().partition("\n")[0],
        module="comfy_extras.nodes_load_3d",
        experimental=True,
        fingerprint=_digests,
    )


def _preview(class_type: str, display_name: str) -> NodeClass:
    return NodeClass(
        class_type,
        preview_model,
        {
            "model_file": required("STRING", default="", multiline=False),
            "camera_info": InputSpec("LOAD3D_CAMERA", optional=True, always_options=True),
        },
        (),
        output_node=True,
        category="3d",
        display_name=display_name,
        description="Shows a model file in the front end.",
        module="comfy_extras.nodes_load_3d",
        experimental=True,
    )


NODES: tuple[NodeClass, ...] = (
    _loader(
        "Load3D",
        "Load 3D",
        load_model,
        "LOAD_3D",
        (".gltf", ".glb", ".obj", ".fbx", ".stl"),
        {
            "image": "IMAGE",
            "mask": "MASK",
            "mesh_path": "STRING",
            "normal": "IMAGE",
            "lineart": "IMAGE",
            "camera_info": "LOAD3D_CAMERA",
            "recording_video": "VIDEO",
        },
    ),
    _loader(
        "Load3DAnimation",
        "Load 3D - Animation",
        load_animation,
        "LOAD_3D_ANIMATION",
        (".gltf", ".glb", ".fbx"),
        {
            "image": "IMAGE",
            "mask": "MASK",
            "mesh_path": "STRING",
            "normal": "IMAGE",
            "camera_info": "LOAD3D_CAMERA",
            "recording_video": "VIDEO",
        },
    ),
    _preview("Preview3D", "Preview 3D"),
    _preview("Preview3DAnimation", "Preview 3D - Animation"),
)
