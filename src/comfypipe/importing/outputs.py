"""What a workflow gives: the nodes that save, and the type of what they save."""

from collections.abc import Iterator, Mapping
from typing import Final

from comfypipe._types import JSONObject
from comfypipe.prompt.object_info import ObjectInfo

_SAVERS: Final[Mapping[str, str]] = {
    "SaveImage": "image",
    "SaveImageAdvanced": "image",
    "SaveAnimatedPNG": "image",
    "SaveAnimatedWEBP": "image",
    "SaveImageWebsocket": "image",
    "SaveSVGNode": "file",
    "SaveVideo": "video",
    "SaveWEBM": "video",
    "VHS_VideoCombine": "video",
    "SaveAudio": "audio",
    "SaveAudioMP3": "audio",
    "SaveAudioOpus": "audio",
    "SaveAudioAdvanced": "audio",
    "SaveGLB": "file",
    "SaveLatent": "file",
    "SaveText": "file",
}
_PREVIEWS: Final[Mapping[str, str]] = {"PreviewImage": "image", "MaskPreview": "mask", "PreviewAudio": "audio"}
_TEXTS: Final[Mapping[str, str]] = {"PreviewAny": "text"}
_BY_INPUT_TYPE: Final[Mapping[str, str]] = {"IMAGE": "image", "VIDEO": "video", "AUDIO": "audio", "MASK": "mask"}


def outputs(prompt: JSONObject, object_info: ObjectInfo | None) -> Iterator[tuple[str, str]]:
    """
    Yield the nodes that save something, and the type of it; where nothing is saved, those that show something.

    Classes that are not known by name are judged by their declaration: output nodes called ``Save…`` save what their
    first linked input takes.
    """
    found = [(node_id, _saved(node["class_type"], object_info)) for node_id, node in prompt.items()]
    saved = [(node_id, kind) for node_id, kind in found if kind is not None]
    if saved:
        yield from saved
        return
    for shown in (_PREVIEWS, _TEXTS):
        names = [
            (node_id, shown[node["class_type"]]) for node_id, node in prompt.items() if node["class_type"] in shown
        ]
        if names:
            yield from names
            return


def _saved(class_type: str, object_info: ObjectInfo | None) -> str | None:
    if class_type in _SAVERS:
        return _SAVERS[class_type]
    if object_info is None or class_type not in object_info or "save" not in class_type.lower():
        return None
    info = object_info[class_type]
    if not info.output_node:
        return None
    return next((_BY_INPUT_TYPE[each.type] for each in info.inputs.values() if each.type in _BY_INPUT_TYPE), "file")
