"""Nodes on videos: make, take apart, load, save. Source: ComfyUI ``nodes_video`` (0.3.64)."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from comfypipe._types import JSONObject
from comfypipe.engine.audio.sound import Audio, unpack
from comfypipe.engine.loading import file_digest, is_file, locate, resolve_file
from comfypipe.engine.media import metadata_tags
from comfypipe.engine.pixels.values import Floats, to_bytes
from comfypipe.engine.registry import (
    Context,
    Folders,
    InputSpec,
    NodeClass,
    Result,
    combo,
    files,
    number,
    optional,
    outputs,
    required,
)
from comfypipe.engine.saving import SaveLocation, save_location, written
from comfypipe.engine.video.components import ComponentsVideo
from comfypipe.engine.video.file import FileVideo
from comfypipe.engine.video.value import Components, Video
from comfypipe.engine.video.webm import ENCODERS, write_webm

SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".webm", ".wmv")
"""Files that LoadVideo offers."""
_CONTAINERS = ("auto", "mp4")
_CODECS = ("auto", "h264")


def create_video(images: Floats, fps: float, audio: Any = None) -> tuple[Video]:
    """
    Make a video of frames, with sound if there is any.

    Raises:
        ValueError: The images are none, or the sound is none.
    """
    if images.ndim != 4:
        raise ValueError(f"images: expected (frame, height, width, channel), got {images.shape}")
    if audio is not None:
        unpack(audio, "audio")
    return (ComponentsVideo(Components(images, Fraction(fps), audio)),)


def save_video(video: Video, filename_prefix: str, format: str, codec: str, context: Context) -> Result:  # noqa: A002  ComfyUI's name
    """
    Save a video as MP4; one that is a file already is copied as it is, unless format or codec ask for another.

    Raises:
        ValueError: The format or the codec is not supported; no frames.
        av.error.FFmpegError: Odd width or height; a source that cannot be read or copied.
    """
    if format not in _CONTAINERS:
        raise ValueError(f"format: {format!r} is not supported, expected one of {', '.join(_CONTAINERS)}")
    if codec not in _CODECS:
        raise ValueError(f"codec: {codec!r} is not supported, expected one of {', '.join(_CODECS)}")
    location = save_location(filename_prefix, context.folders.output, *video.dimensions())
    name = location.name("mp4")
    metadata = metadata_tags(context.prompt, context.extra_pnginfo)
    with written(location.folder / name) as path:
        video.save(path, container=format, codec=codec, metadata=metadata, on_frame=context.progress)
    return _shown(location, name)


def save_webm(images: Floats, filename_prefix: str, codec: str, fps: float, crf: float, context: Context) -> Result:
    """
    Save images as a WebM video; transparency is dropped.

    Raises:
        ValueError: Another codec; no images; a frame rate that is none.
    """
    size = (images.shape[2], images.shape[1])
    if not all(size):
        raise ValueError(f"images: there is not one pixel in images of shape {list(images.shape)}")
    location = save_location(filename_prefix, context.folders.output, *size)
    name = location.name("webm")
    metadata = metadata_tags(context.prompt, context.extra_pnginfo)
    with written(location.folder / name) as path:
        write_webm(path, _frames(images, context), size, Fraction(fps), codec, crf, metadata)
    return _shown(location, name)


def _frames(images: Floats, context: Context) -> Any:
    for index, image in enumerate(images, 1):
        yield to_bytes(image[..., :3])
        context.progress(index, len(images))


def _shown(location: SaveLocation, name: str) -> Result:
    entry: JSONObject = {"filename": name, "subfolder": location.subfolder, "type": "output"}
    return Result(ui={"images": [entry], "animated": [True]})


def load_video(file: str, context: Context) -> tuple[Video]:
    """Load a video file; it is decoded when a node needs its frames."""
    return (FileVideo(locate(file, context.folders)),)


def _check_file(file: str, folders: Folders) -> str | None:
    return None if is_file(file, folders) else f"Invalid video file: {file}"


def _fingerprint(file: str, folders: Folders) -> str:
    # Not the time as ComfyUI does: it is embedded into what is saved, which then is never the same twice.
    return file_digest(resolve_file(file, folders))


def get_components(video: Video) -> tuple[Floats, Audio | None, float]:
    """
    Take a video apart: frames, sound (none if there is none) and frames a second.

    Raises:
        ValueError: There are no frames, or more than fit into memory.
        av.error.FFmpegError: The file cannot be decoded.
    """
    parts = video.components()
    return parts.images, parts.audio, float(parts.frame_rate)


_HIDDEN = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}


def _node(
    class_type: str,
    display_name: str | None,
    function: Callable[..., tuple[Any, ...] | Result],
    inputs: Mapping[str, InputSpec],
    output_types: Mapping[str, str] | None = None,
    **options: Any,
) -> NodeClass:
    given = output_types or {}
    return NodeClass(
        class_type,
        function,
        inputs,
        outputs(*given.values(), names=tuple(given)),
        output_node=not given,
        hidden={} if given else _HIDDEN,
        schema="v3",
        category="image/video",
        display_name=display_name,
        description=(function.__doc__ or "").strip().partition("\n")[0],
        module="comfy_extras.nodes_video",
        **options,
    )


NODES: tuple[NodeClass, ...] = (
    _node(
        "CreateVideo",
        "Create Video",
        create_video,
        {
            "images": required("IMAGE"),
            "fps": number(30.0, 1.0, 120.0, step=1.0),
            "audio": optional("AUDIO"),
        },
        {"VIDEO": "VIDEO"},
    ),
    _node(
        "SaveVideo",
        "Save Video",
        save_video,
        {
            "video": required("VIDEO"),
            "filename_prefix": required("STRING", default="video/ComfyUI", multiline=False),
            "format": combo(*_CONTAINERS, default="auto"),
            "codec": combo(*_CODECS, default="auto"),
        },
    ),
    _node(
        "LoadVideo",
        "Load Video",
        load_video,
        {"file": files("", *SUFFIXES, video_upload=True)},
        {"VIDEO": "VIDEO"},
        validate=_check_file,
        fingerprint=_fingerprint,
    ),
    _node(
        "GetVideoComponents",
        "Get Video Components",
        get_components,
        {"video": required("VIDEO")},
        {"images": "IMAGE", "audio": "AUDIO", "fps": "FLOAT"},
    ),
    _node(
        "SaveWEBM",
        None,
        save_webm,
        {
            "images": required("IMAGE"),
            "filename_prefix": required("STRING", default="ComfyUI", multiline=False),
            "codec": combo(*ENCODERS),
            "fps": number(24.0, 0.01, 1000.0, step=0.01),
            "crf": number(32.0, 0, 63.0, step=1),
        },
        experimental=True,
    ),
)
