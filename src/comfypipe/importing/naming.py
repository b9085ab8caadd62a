"""Names for inputs and outputs: what their author called them, else what they are for, else what they are."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property

from comfypipe._types import JSONObject
from comfypipe.importing.fields import Field, Kind
from comfypipe.importing.knobs import Knob
from comfypipe.importing.prompt_parts import inputs_of, is_link, title_of
from comfypipe.manifest.rules import is_reserved
from comfypipe.prompt.object_info import ObjectInfo

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_VAGUE_MEDIA = ("text", "value", "string", "image", "images", "file", "video", "audio", "mask", "object", "source")
_VAGUE_LINKS = ("conditioning", "samples", "latent", "model", "clip", "vae", "noise")
_VAGUE_WORDS = ("input", "input1", "input2", "any", "anything", "name", "index", "switch", "a", "b", "x", "y")
_VAGUE = frozenset((*_VAGUE_MEDIA, *_VAGUE_LINKS, *_VAGUE_WORDS, "conditioning_1", "conditioning_2"))
_MEDIA = {"image": "image", "images": "image", "video": "video", "audio": "audio", "mask": "mask"}
_FARTHEST = 20


class Names:
    """
    Finds names for the values of one prompt.

    Args:
        object_info: Tells which titles are the editor's own; without it those that are the class type.
    """

    def __init__(self, prompt: JSONObject, object_info: ObjectInfo | None) -> None:
        self._prompt = prompt
        self._info = ObjectInfo({}) if object_info is None else object_info
        self._readers: dict[str, list[tuple[int, str, str]]] = {}
        for node_id, node in prompt.items():
            for name, value in inputs_of(node).items():
                if is_link(value):
                    self._readers.setdefault(str(value[0]), []).append((value[1], node_id, name))

    def of_field(self, field: Field, knob: Knob | None, *, alone: bool) -> str:
        """
        Return a name for a value.

        Args:
            knob: What the editor shows the value as, where it does so once for several inputs.
            alone: Whether no other value of the same node is to have a name.
        """
        own = _word(field.input_name.rpartition(".")[2])
        title = (knob.title if knob is not None else None) or self._own_title(field.node_id)
        if title is not None and _IDENTIFIER.fullmatch(title) and title not in ("PrimitiveNode", field.class_type):
            return title if alone or own in _VAGUE else f"{title}_{own}"
        if knob is not None and _word(knob.name) not in _VAGUE:
            return _word(knob.name)
        if own not in _VAGUE:
            return own
        return self._downstream(field.node_id) or self._by_class(field)

    def of_output(self, node_id: str, type_name: str) -> str:
        """Return a name for what a node saves: its title where that is one, else the type."""
        title = self._own_title(node_id)
        return title if title is not None and _IDENTIFIER.fullmatch(title) else type_name

    def reference(self, node_id: str, input_name: str) -> str:
        """Return how a manifest names an input of an export: by the title that its author gave, else by id."""
        title = self._own_title(node_id)
        if title is None or not _is_plain(title) or title in self._prompt or self._titles[title] > 1:
            return f"{node_id}.inputs.{input_name}"
        return f"{title}.{input_name}"

    @cached_property
    def _titles(self) -> Mapping[str | None, int]:
        return Counter(self.title(each) for each in self._prompt)

    def title(self, node_id: str) -> str | None:
        """Return the title of a node, whoever gave it."""
        return title_of(self._prompt[node_id])

    def _own_title(self, node_id: str) -> str | None:
        """Return the title that the author gave to a node, or None where it has the editor's."""
        class_type = self._prompt[node_id]["class_type"]
        display = self._info[class_type].display_name if class_type in self._info else class_type
        title = self.title(node_id)
        return None if title in (class_type, display) else title

    def _downstream(self, node_id: str) -> str | None:
        """
        Return the name of an input that reads the node: ``positive`` where there is one, else the first.

        Vague ones are followed on while the reader hands on the same type; what they are called is the last resort.
        """
        words: list[str] = []
        vague: str | None = None
        waiting, seen = [node_id], {node_id}
        while waiting and len(seen) < _FARTHEST:
            origin = waiting.pop(0)
            for slot, reader, name in sorted(self._readers.get(origin, ())):
                word = _word(name.rpartition(".")[2])
                if word not in _VAGUE:
                    words.append(word)
                    continue
                vague = vague or _MEDIA.get(word)
                if reader not in seen and self._hands_on(origin, slot, reader):
                    seen.add(reader)
                    waiting.append(reader)
        return "positive" if "positive" in words else next(iter(words), vague)

    def _hands_on(self, origin: str, slot: int, reader: str) -> bool:
        """Tell whether *reader* gives what it takes; one that empties a prompt does not."""
        kind = self._type(origin, slot)
        return (
            kind is not None and kind == self._type(reader, 0) and "ZeroOut" not in self._prompt[reader]["class_type"]
        )

    def _type(self, node_id: str, slot: int) -> str | None:
        node = self._prompt.get(node_id)
        if node is None or node["class_type"] not in self._info:
            return None
        outputs = self._info[node["class_type"]].outputs
        return outputs[slot].type if 0 <= slot < len(outputs) else None

    def _by_class(self, field: Field) -> str:
        return "prompt" if field.kind is Kind.PROMPT else _word(_snake(field.class_type))


_LONGEST = 64


class Taken:
    """
    Names that are in use; gives out others.

    Args:
        names: Those in use from the start.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = set(names)
        self._numbers: dict[str, int] = {}

    def unique(self, name: str) -> str:
        """Return *name*, now in use: with a number where it was taken, and never a reserved word."""
        name = name[:_LONGEST]
        name = f"{name[: _LONGEST - 1]}_" if is_reserved(name) else name
        found = name
        while found in self._names:
            number = self._numbers.get(name, 1) + 1
            self._numbers[name] = number
            found = f"{name[: _LONGEST - 1 - len(str(number))]}_{number}"
        self._names.add(found)
        return found


def _is_plain(title: str) -> bool:
    return "." not in title and title == title.strip() and title.isprintable() and len(title) <= 60


def _word(text: str) -> str:
    word = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")[:60].lower()
    return word if _IDENTIFIER.fullmatch(word) else f"input_{word}".rstrip("_")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
