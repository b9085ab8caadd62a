"""What a server offers: the reply of ``GET /object_info`` as typed values."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal

from msgspec import Struct

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import UsageError


class InputInfo(Struct, frozen=True):
    """
    One input that a node class declares.

    Attributes:
        type: ``IMAGE``, ``INT``, ``COMBO``, ``*``, or several joined by commas.
        options: The declaration's settings: ``default``, ``min``, ``max``, ``forceInput``, …
        choices: What a combo offers; None for other types.
        choices_checked: Whether a server refuses other values. It does for combos in V1 form (a list in place of the
            type), not for those in V3 form (``"COMBO"`` with options).
        raw: The declaration as the server gave it, which its error replies repeat.
    """

    name: str
    type: str
    group: Literal["required", "optional"]
    options: Mapping[str, JSON]
    choices: tuple[JSON, ...] | None
    choices_checked: bool
    raw: JSON

    @property
    def required(self) -> bool:
        """Whether the server refuses a prompt without it."""
        return self.group == "required"


class OutputInfo(Struct, frozen=True):
    """One output slot; *is_list* ones make what reads them run once for each item."""

    name: str
    type: str
    is_list: bool


class NodeInfo(Struct, frozen=True):
    """
    One node class.

    Attributes:
        inputs: Required ones first, then optional ones, in declared order.
        hidden: By name, what the server fills in by itself (``PROMPT``, ``UNIQUE_ID``, …).
        output_node: Whether it ends a graph: a prompt needs at least one.
        raw: The entry as the server gave it.
    """

    class_type: str
    inputs: Mapping[str, InputInfo]
    hidden: Mapping[str, JSON]
    outputs: tuple[OutputInfo, ...]
    output_node: bool
    input_is_list: bool
    display_name: str
    category: str
    raw: JSONObject


class ObjectInfo(Mapping[str, NodeInfo]):
    """
    The node classes of a server, by class type; entries are parsed when they are first looked at.

    Args:
        raw: Parsed reply of ``GET /object_info``.
        missing_hint: What to do about a class that is not among them.
    """

    def __init__(
        self, raw: JSONObject, *, missing_hint: str = "install the custom node that has it, or run it where it is"
    ) -> None:
        self._raw = raw
        self.missing_hint = missing_hint
        self._parsed: dict[str, NodeInfo] = {}

    def __getitem__(self, class_type: str) -> NodeInfo:
        if class_type not in self._parsed:
            self._parsed[class_type] = parse_node_info(class_type, self._raw[class_type])
        return self._parsed[class_type]

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __contains__(self, class_type: object) -> bool:
        return class_type in self._raw

    def to_json(self) -> JSONObject:
        """Return the reply that this was made of."""
        return self._raw

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, as hex."""
        return hashlib.sha256(json.dumps(self._raw, sort_keys=True).encode()).hexdigest()


def read_object_info(path: Path) -> ObjectInfo:
    """
    Read a catalog: a file that holds the reply of ``GET /object_info``.

    Raises:
        UsageError: It cannot be read, or is no such reply.
    """
    hint = "make one with `comfypipe catalog pull --backend URL`"
    try:
        raw = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}", hint=hint) from error
    except ValueError as error:
        raise UsageError(f"{path}: not JSON: {error}", hint=hint) from error
    if not isinstance(raw, dict) or not all(isinstance(each, dict) and "input" in each for each in raw.values()):
        raise UsageError(f"{path}: not the reply of GET /object_info", hint=hint)
    return ObjectInfo(raw)


def parse_node_info(class_type: str, raw: JSONObject) -> NodeInfo:
    """Read one entry of ``/object_info``, in V1 or V3 form; what is missing takes ComfyUI's default."""
    declared = _object(raw.get("input"))
    inputs = {
        name: _parse_input(name, group, spec)
        for group in ("required", "optional")
        for name, spec in _object(declared.get(group)).items()
    }
    types = raw.get("output") or []
    return NodeInfo(
        class_type=class_type,
        inputs=inputs,
        hidden=_object(declared.get("hidden")),
        outputs=tuple(
            OutputInfo(str(name or _type_name(kind)), _type_name(kind), bool(as_list))
            for kind, name, as_list in zip(
                types, _padded(raw.get("output_name"), types), _padded(raw.get("output_is_list"), types), strict=True
            )
        ),
        output_node=bool(raw.get("output_node")),
        input_is_list=bool(raw.get("input_is_list", raw.get("is_input_list"))),
        display_name=raw.get("display_name") or class_type,
        category=raw.get("category") or "",
        raw=raw,
    )


def _parse_input(name: str, group: Literal["required", "optional"], spec: JSON) -> InputInfo:
    kind = spec[0] if isinstance(spec, list) and spec else spec
    options = _object(spec[1]) if isinstance(spec, list) and len(spec) > 1 else {}
    choices: tuple[JSON, ...] | None = None
    if isinstance(kind, list):
        choices = tuple(kind)
    elif kind == "COMBO":
        choices = tuple(options.get("options") or ())
    return InputInfo(
        name=name,
        type=_type_name(kind),
        group=group,
        options=options,
        choices=choices,
        choices_checked=isinstance(kind, list),
        raw=spec,
    )


def _type_name(kind: JSON) -> str:
    return "COMBO" if isinstance(kind, list) else str(kind)


def _padded(values: JSON, types: list[JSON]) -> list[JSON]:
    """Return as many values as there are types; custom nodes are known to declare fewer."""
    given = list(values or ())[: len(types)]
    return given + [None] * (len(types) - len(given))


def _object(value: JSON) -> JSONObject:
    return value if isinstance(value, dict) else {}
