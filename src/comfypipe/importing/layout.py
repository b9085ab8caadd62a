"""
What the editor makes of a node class: its sockets and its widgets, in the editor's order.

A save holds widget values by position alone, so that the order, and the widgets that only the editor knows (a seed's
control, an upload button), decide which value belongs to which input.

Source: observed of ComfyUI frontend 1.58.1.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from comfypipe._types import JSON, JSONObject
from comfypipe.importing.ui_graph import type_name
from comfypipe.prompt.object_info import NodeInfo


class _Unset:
    """The absence of a value: JSON's null is a value."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = _Unset()


@dataclass(frozen=True, slots=True)
class Widget:
    """
    One widget of a node class.

    Attributes:
        sent: Whether it appears in prompts; buttons and controls do not.
        stored: Whether it has a place among the saved values.
        companions: How many of the following saved values belong to controls of this widget (``randomize``, …).
        wrap: ``__type__`` that the value is sent with.
        choices: Of a dynamic combo, by choice, what it adds below itself.
    """

    name: str
    type: str
    default: JSON = UNSET
    sent: bool = True
    stored: bool = True
    companions: int = 0
    dynamic_prompts: bool = False
    wrap: str | None = None
    choices: "Mapping[str, Layout] | None" = None


@dataclass(frozen=True, slots=True)
class Layout:
    """
    Sockets and widgets in the editor's order.

    Attributes:
        sockets: Type by name, of the inputs that only take links.
        drop: Of the saved values, which were left by inputs that have become mere sockets, when there are exactly
            as many values as this has entries.
        open_ended: Further saved values are widgets ``option1``, ``option2``, … (the node ``CustomCombo``).
    """

    sockets: Mapping[str, str] = field(default_factory=dict)
    widgets: tuple[Widget, ...] = ()
    drop: tuple[bool, ...] = ()
    open_ended: bool = False


WIDGET_DEFAULTS: Final[Mapping[str, JSON]] = {
    "INT": 0,
    "FLOAT": 0,
    "BOOLEAN": False,
    "STRING": "",
    "MARKDOWN": "",
    "COMBO": UNSET,
    "COLOR": "#000000",
    "COLORS": [],
    "TEXTAREA": "",
    "PAINTER": UNSET,
    "COMPOSITOR": {},
    "CURVE": {"points": [[0, 0], [1, 1]], "interpolation": "monotone_cubic"},
    "RANGE": {"min": 0, "max": 1},
    "BOUNDING_BOX": {"x": 0, "y": 0, "width": 512, "height": 512},
    "BOUNDING_BOXES": [],
    "VIDEO_EDIT": {
        "trim": {"start_time": 0, "duration": 0},
        "crop": {"x": 0, "y": 0, "width": 0, "height": 0},
    },
    "LIGHT_INFO_PREVIEW": [],
    "CHART": {},
    "GALLERIA": [],
    "AUDIO_RECORD": "",
    "WEBCAM": UNSET,
    "LOAD_3D": "",
    "LOAD_3D_ADVANCED": "",
    "PREVIEW_3D": "",
    "IMAGECOMPARE": ["", ""],
    "CAMERA_ANGLE_VIEW": UNSET,
    "CAMERA_INFO_STATE": UNSET,
    "RESOLUTION_PREVIEW": UNSET,
    "COMFY_DYNAMICCOMBO_V3": UNSET,
}
"""Types that the editor shows as a widget, with the value of one that nothing was entered into."""

_UNSENT = ("CAMERA_ANGLE_VIEW", "CAMERA_INFO_STATE", "RESOLUTION_PREVIEW")
_UNSTORED = ("IMAGECOMPARE", "CAMERA_INFO_STATE", "RESOLUTION_PREVIEW")
_CONTROLLED_BY_NAME = ("seed", "noise_seed")
_UPLOADS = ("image_upload", "animated_image_upload", "video_upload", "audio_upload")
_SEVERAL_TYPES: Final[Mapping[str, str]] = {"COMFY_MATCHTYPE_V3": "*"}
_LOAD_3D_BUTTONS = ("upload 3d model", "upload extra resources", "clear")
_DRAWN_BY_EDITOR: Final[Mapping[str, Widget]] = {
    "SaveGLB": Widget("image", "PREVIEW_3D", ""),
    "Preview3D": Widget("image", "PREVIEW_3D", ""),
    "Preview3DAnimation": Widget("image", "PREVIEW_3D", ""),
}
_DEPTH_LIMIT = 8


def class_layout(info: NodeInfo) -> Layout:
    """Return the layout of a node class as ``/object_info`` describes it, in V1 or V3 form."""
    inputs = list(_declared(info.raw))
    layout = _lay_out(inputs, prefix="", depth=0)
    widgets = [*layout.widgets, *_drawn(info, inputs)]
    names = {each.name for each in widgets}
    flags = [flag for name, kind, options in inputs for flag in _drop_flags(name in names, options)]
    return Layout(
        sockets=layout.sockets,
        widgets=tuple(widgets),
        drop=tuple(flags) if any(flags) else (),
        open_ended=info.class_type == "CustomCombo",
    )


def _drop_flags(is_widget: bool, options: JSONObject) -> Iterator[bool]:
    if is_widget or options.get("forceInput"):
        yield bool(options.get("forceInput"))
        if options.get("control_after_generate"):
            yield False


def _declared(raw: JSONObject) -> Iterator[tuple[str, JSON, JSONObject]]:
    """Yield name, type and options of the inputs: in ``input_order`` where that is given, the rest after them."""
    declared = _object(raw.get("input"))
    order = _object(raw.get("input_order"))
    seen: set[str] = set()
    for group in ("required", "optional"):
        inputs = _object(declared.get(group))
        listed = order.get(group)
        names = [each for each in listed if each in inputs] if isinstance(listed, list) else []
        for name in dict.fromkeys([*names, *inputs]):
            if name not in seen:
                seen.add(name)
                yield name, *_split(inputs[name])


def _split(spec: JSON) -> tuple[JSON, JSONObject]:
    kind = spec[0] if isinstance(spec, list) and spec else spec
    options = _object(spec[1]) if isinstance(spec, list) and len(spec) > 1 else {}
    return kind, options


def _lay_out(inputs: Sequence[tuple[str, JSON, JSONObject]], prefix: str, depth: int) -> Layout:
    sockets: dict[str, str] = {}
    widgets: list[Widget] = []
    for name, kind, options in inputs:
        full = prefix + name
        shown = type_name(options.get("widgetType") or kind)
        if kind == "COMFY_AUTOGROW_V3" and not options.get("forceInput"):
            grown = _autogrow(full, options, depth)
            sockets |= grown.sockets
            widgets += grown.widgets
        elif shown in WIDGET_DEFAULTS and not options.get("forceInput"):
            widgets += _widgets(full, shown, kind, options, depth)
        else:
            sockets[full] = _SEVERAL_TYPES.get(type_name(kind), type_name(kind))
    return Layout(sockets, tuple(widgets))


def _widgets(name: str, shown: str, kind: JSON, options: JSONObject, depth: int) -> Iterator[Widget]:
    if shown == "LOAD_3D":
        yield from (Widget(each, "BUTTON", sent=False) for each in _LOAD_3D_BUTTONS)
    yield Widget(
        name=name,
        type=shown,
        default=_default(shown, kind, options),
        sent=shown not in _UNSENT,
        stored=shown not in _UNSTORED,
        companions=_companions(name, shown, options),
        dynamic_prompts=shown == "STRING" and options.get("dynamicPrompts") is True,
        wrap="CURVE" if shown == "CURVE" else None,
        choices=_choices(name, options, depth) if shown == "COMFY_DYNAMICCOMBO_V3" else None,
    )
    remote = options.get("remote")
    if shown == "COMBO" and isinstance(remote, dict):
        yield Widget("Auto-refresh after generation", "BOOLEAN", sent=False)
        if remote.get("refresh_button"):
            yield Widget("refresh", "BUTTON", "refresh")


def _default(shown: str, kind: JSON, options: JSONObject) -> JSON:
    if shown == "COMBO":
        return _combo_default(kind, options)
    if shown == "COMFY_DYNAMICCOMBO_V3":
        return next((each.get("key") for each in _objects(options.get("options"))), UNSET)
    default = options.get("default")
    return WIDGET_DEFAULTS[shown] if default is None else default


def _combo_default(kind: JSON, options: JSONObject) -> JSON:
    if options.get("multi_select"):
        return []
    choices = kind if isinstance(kind, list) else options.get("options")
    if options.get("default"):
        return options["default"]
    if isinstance(choices, list) and choices:
        return choices[0]
    return "Loading..." if options.get("remote") else UNSET


def _companions(name: str, shown: str, options: JSONObject) -> int:
    if shown == "BOUNDING_BOX":
        return 4  # x, y, width and height once more
    controlled = options.get("control_after_generate")
    if controlled is None:
        controlled = shown == "INT" and name in _CONTROLLED_BY_NAME
    if not controlled:
        return 0
    return 2 if shown == "COMBO" else 1  # a combo's control comes with a filter


def _choices(name: str, options: JSONObject, depth: int) -> Mapping[str, Layout]:
    if depth >= _DEPTH_LIMIT:
        return {}
    return {
        str(each.get("key")): _lay_out(_nested(each.get("inputs")), prefix=f"{name}.", depth=depth + 1)
        for each in _objects(options.get("options"))
    }


def _autogrow(name: str, options: JSONObject, depth: int) -> Layout:
    """Lay out the inputs that are always there; further ones exist where the save has them."""
    template = _object(options.get("template"))
    pattern = _nested(template.get("input"))
    least = template.get("min", 1)
    shown = min((least if isinstance(least, int) and not isinstance(least, bool) else 1) + 1, 101)
    if depth >= _DEPTH_LIMIT or not pattern:
        return Layout()
    grown: list[tuple[str, JSON, JSONObject]] = []
    for ordinal in range(max(shown, 1)):
        for key, kind, inner in pattern:
            label = autogrow_name(template, key, ordinal, alone=len(pattern) == 1)
            if label is not None:
                grown.append((label, kind, inner))
    return _lay_out(grown, prefix=f"{name}.", depth=depth + 1)


def autogrow_name(template: JSONObject, key: str, ordinal: int, *, alone: bool) -> str | None:
    """Return the name of the *ordinal*-th input of an autogrow *template*, or None where it has no more."""
    names = template.get("names")
    if isinstance(names, list):
        return str(names[ordinal]) if ordinal < len(names) else None
    most = template.get("max", 100)
    if isinstance(most, int) and ordinal >= most:
        return None
    return f"{template.get('prefix') or '' if alone else key}{ordinal}"


def _nested(groups: JSON) -> list[tuple[str, JSON, JSONObject]]:
    found = _object(groups)
    return [
        (name, *_split(spec)) for group in ("required", "optional") for name, spec in _object(found.get(group)).items()
    ]


def _drawn(info: NodeInfo, inputs: Sequence[tuple[str, JSON, JSONObject]]) -> Iterator[Widget]:
    if info.class_type in _DRAWN_BY_EDITOR:
        yield _DRAWN_BY_EDITOR[info.class_type]
    if any(options.get(each) for _, _, options in inputs for each in _UPLOADS):
        yield Widget("upload", "BUTTON", sent=False)


def _object(value: JSON) -> JSONObject:
    return value if isinstance(value, dict) else {}


def _objects(value: JSON) -> list[JSONObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
