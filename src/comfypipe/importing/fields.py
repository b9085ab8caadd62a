"""The values in a prompt that could be set from outside: what they are to their author, and of which type."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from comfypipe._types import JSON, JSONObject
from comfypipe.importing.folders import model_folder
from comfypipe.importing.limits import SEED_MAXIMUM, WHOLE_MINIMUM, limits
from comfypipe.importing.prompt_parts import inputs_of
from comfypipe.prompt.object_info import InputInfo, ObjectInfo


class Kind(IntEnum):
    """What a value is to its author; lower ones come first in a manifest."""

    PROMPT = 0
    SEED = 1
    SIZE = 2
    STEPS = 3
    FILE = 4
    KNOB = 5
    OTHER = 6


@dataclass(frozen=True, slots=True)
class Field:
    """
    One literal value in a prompt.

    Attributes:
        spec: Type, default and limits as a manifest writes them.
    """

    node_id: str
    input_name: str
    class_type: str
    value: JSON
    kind: Kind
    spec: JSONObject


_PROMPTS = frozenset(
    (
        "text",
        "prompt",
        "positive",
        "negative",
        "text_g",
        "text_l",
        "clip_l",
        "clip_g",
        "t5xxl",
        "llama",
        "lyrics",
        "tags",
    )
)
_PICTURE_SIZES = ("width", "height", "size", "resolution", "megapixels", "batch_size")
_TIME_SIZES = ("length", "frames", "num_frames", "frame_rate", "fps", "duration", "seconds")
_SIZES = frozenset((*_PICTURE_SIZES, *_TIME_SIZES))
_STEPS = frozenset(("steps", "num_steps", "num_inference_steps", "cfg", "guidance", "guidance_scale", "denoise"))
_UPLOADS = {
    "image_upload": "image",
    "animated_image_upload": "image",
    "video_upload": "video",
    "audio_upload": "audio",
    "file_upload": "file",
}
_LOADERS = {
    ("LoadImage", "image"): "image",
    ("LoadImageMask", "image"): "mask",
    ("LoadAudio", "audio"): "audio",
    ("LoadVideo", "file"): "video",
    ("VHS_LoadVideo", "video"): "video",
    ("VHS_LoadAudioUpload", "audio"): "audio",
}
_LONGEST_TEXT = 50_000
_MOST_CHOICES = 300


def fields(prompt: JSONObject, object_info: ObjectInfo | None) -> Iterator[Field]:
    """
    Yield the literal values of the nodes that an output needs, in the prompt's order.

    Args:
        object_info: Declarations to take types and limits from; without it they are judged by name and value.
    """
    info = ObjectInfo({}) if object_info is None else object_info
    needed = _needed(prompt, info)
    for node_id, node in prompt.items():
        if node_id not in needed:
            continue
        class_type = node["class_type"]
        declared = info[class_type].inputs if class_type in info else {}
        for name, value in inputs_of(node).items():
            if not isinstance(value, list) and _is_writable(value) and _can_be_named(node_id, name):
                field = _field(node_id, class_type, name, value, declared.get(name))
                yield field


def _field(node_id: str, class_type: str, name: str, value: JSON, info: InputInfo | None) -> Field:
    media = _media(class_type, name, info)
    kind = Kind.FILE if media is not None else _kind(class_type, name.rpartition(".")[2], value, info)
    spec = {"type": media, "required": False} if media is not None else _typed(class_type, name, value, info, kind)
    return Field(node_id, name, class_type, value, kind, spec)


def _needed(prompt: JSONObject, info: ObjectInfo) -> set[str]:
    """Return the nodes that lead to an output; a class that nothing is known of may be one."""
    classes = {node_id: node["class_type"] for node_id, node in prompt.items()}
    waiting = [node_id for node_id, name in classes.items() if name not in info or info[name].output_node]
    found: set[str] = set()
    while waiting:
        node_id = waiting.pop()
        if node_id in prompt and node_id not in found:
            found.add(node_id)
            links = (each for each in inputs_of(prompt[node_id]).values() if isinstance(each, list) and each)
            waiting.extend(str(each[0]) for each in links)
    return found


def _can_be_named(node_id: str, name: str) -> bool:
    """Tell whether a manifest can say where the value stands: dots are what it puts between node and input."""
    return bool(node_id and name) and "." not in node_id and name.strip(".") == name


def _is_writable(value: JSON) -> bool:
    """Tell whether a manifest can hold *value*: half characters, novels, and numbers of more than 64 bits it cannot."""
    if isinstance(value, dict | list):
        return all(map(_is_writable, value.values() if isinstance(value, dict) else value))
    if isinstance(value, int):
        return WHOLE_MINIMUM <= value <= SEED_MAXIMUM
    if not isinstance(value, str):
        return True
    return len(value) <= _LONGEST_TEXT and not any("\ud800" <= each <= "\udfff" or each == "\0" for each in value)


def _media(class_type: str, name: str, info: InputInfo | None) -> str | None:
    """Return the media type of a file that is loaded from the input folder, else None."""
    if info is None:
        return _LOADERS.get((class_type, name))
    if info.type != "COMBO" or info.options.get("image_folder", "input") != "input":
        return None
    media = next((kind for option, kind in _UPLOADS.items() if info.options.get(option)), None)
    return "mask" if media == "image" and "Mask" in class_type else media


def _kind(class_type: str, name: str, value: JSON, info: InputInfo | None) -> Kind:
    if isinstance(value, str) and _is_prompt(name, value, info):
        return Kind.PROMPT
    if isinstance(value, int | float) and not isinstance(value, bool):
        if isinstance(value, int) and (name == "seed" or name.endswith("_seed")):
            return Kind.SEED
        if name.removeprefix("target_").removeprefix("image_").removeprefix("max_") in _SIZES:
            return Kind.SIZE
        if name in _STEPS:
            return Kind.STEPS
    return Kind.KNOB if class_type.startswith("Primitive") else Kind.OTHER


def _is_prompt(name: str, value: str, info: InputInfo | None) -> bool:
    if name == "filename_prefix" or (info is not None and info.type != "STRING"):
        return False
    if info is not None and (info.options.get("multiline") or info.options.get("dynamicPrompts")):
        return True
    return name in _PROMPTS or name.endswith("prompt") or (info is None and "\n" in value)


def _typed(class_type: str, name: str, value: JSON, info: InputInfo | None, kind: Kind) -> JSONObject:
    """Return type, default and limits."""
    if value is None:
        return {"type": "json", "required": False}
    folder = model_folder(class_type, name, value)
    if folder is not None and (info is None or info.type in ("COMBO", "STRING")):
        return {"type": "model", "default": value, "folder": folder}
    if info is not None and info.type == "COMBO" and isinstance(value, str | int | float):
        return _choice(info, value)
    kind_of_value = _type_name(value, info, kind)
    return {"type": kind_of_value, "default": value, **limits(kind_of_value, value, info.options if info else {})}


def _choice(info: InputInfo, value: str | float) -> JSONObject:
    choices = [each for each in info.choices or () if isinstance(each, str | int | float)]
    unique = {str(each): each for each in (*choices, value)}
    if len(unique) == 1 or len(unique) > _MOST_CHOICES or any(isinstance(each, bool) for each in unique.values()):
        return {"type": "string" if isinstance(value, str) else "json", "default": value}
    return {"type": "choice", "choices": list(unique.values()), "default": value}


def _type_name(value: JSON, info: InputInfo | None, kind: Kind) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "text" if kind is Kind.PROMPT or "\n" in value else "string"
    if isinstance(value, float) or (isinstance(value, int) and info is not None and info.type == "FLOAT"):
        return "number"
    if isinstance(value, int):
        return "seed" if kind is Kind.SEED and value >= 0 else "integer"
    return "json"
