"""What differs between two prompts: which nodes came and went, and which of their inputs have other values."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from comfypipe._types import JSON, JSONObject
from comfypipe.importing.prompt_parts import inputs_of, is_link, title_of


class _Absent:
    """The absence of an input."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class NodeName:
    """A node, as people call it."""

    id: str
    class_type: str
    title: str | None


@dataclass(frozen=True, slots=True)
class InputChange:
    """An input with another value; `ABSENT` where it has none, a list ``[node, slot]`` where it is linked."""

    name: str
    before: JSON
    after: JSON


@dataclass(frozen=True, slots=True)
class NodeChange:
    """A node that both prompts have, as the later one calls it, and what of it differs."""

    node: NodeName
    former: NodeName
    inputs: tuple[InputChange, ...]


@dataclass(frozen=True, slots=True)
class PromptDiff:
    """What differs; all empty when the prompts do the same."""

    added: tuple[NodeName, ...]
    removed: tuple[NodeName, ...]
    changed: tuple[NodeChange, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def diff_prompts(before: JSONObject, after: JSONObject) -> PromptDiff:
    """
    Compare two prompts in API format node by node; how their nodes are numbered does not count.

    Renamed nodes count as changed only where their title differs.
    """
    pairs = match_nodes(before, after)
    found = set(pairs.values())
    changed = (_change(before, after, old, new, pairs) for old, new in pairs.items())
    return PromptDiff(
        added=tuple(node_name(after, each) for each in after if each not in found),
        removed=tuple(node_name(before, each) for each in before if each not in pairs),
        changed=tuple(each for each in changed if each.inputs or each.node.title != each.former.title),
    )


def node_name(prompt: JSONObject, node_id: str) -> NodeName:
    """Return what people call a node of *prompt*."""
    return NodeName(node_id, prompt[node_id]["class_type"], title_of(prompt[node_id]))


def _change(before: JSONObject, after: JSONObject, old: str, new: str, pairs: Mapping[str, str]) -> NodeChange:
    former, latter = inputs_of(before[old]), inputs_of(after[new])
    inputs = [
        InputChange(name, former.get(name, ABSENT), latter.get(name, ABSENT))
        for name in dict.fromkeys((*former, *latter))
        if not _same(former.get(name, ABSENT), latter.get(name, ABSENT), pairs)
    ]
    return NodeChange(node_name(after, new), node_name(before, old), tuple(inputs))


def _same(before: JSON, after: JSON, pairs: Mapping[str, str]) -> bool:
    if is_link(before) and is_link(after):
        return bool(pairs.get(str(before[0])) == str(after[0]) and before[1] == after[1])
    return bool(before == after) and isinstance(before, bool) == isinstance(after, bool)


def match_nodes(before: JSONObject, after: JSONObject) -> dict[str, str]:
    """
    Return by id of a node in *before* the id of the same node in *after*.

    Nodes are the same that have id and class in common; else those of one class that are alike in title and values,
    in title, in what reads them, or that are the only ones of their class: pairs are made only where nothing else fits.
    """
    pairs = {each: each for each in before if each in after and _class(before, each) == _class(after, each)}
    by: tuple[Callable[[JSONObject, str], Hashable], ...] = (_looks, _titled, _class)
    _pair_alike(before, after, pairs, by[0])
    _pair_alike(before, after, pairs, by[1])
    _pair_by_readers(before, after, pairs)
    _pair_alike(before, after, pairs, by[2])
    _pair_by_readers(before, after, pairs)
    return {each: pairs[each] for each in before if each in pairs}


def _pair_alike(
    before: JSONObject, after: JSONObject, pairs: dict[str, str], look: Callable[[JSONObject, str], Hashable]
) -> None:
    taken = set(pairs.values())
    olds = [each for each in before if each not in pairs]
    news = [each for each in after if each not in taken]
    old_looks, new_looks = (
        {each: look(prompt, each) for each in ids} for prompt, ids in ((before, olds), (after, news))
    )
    old_count, new_count = Counter(old_looks.values()), Counter(new_looks.values())
    single = {seen: each for each, seen in new_looks.items() if new_count[seen] == 1 == old_count[seen]}
    pairs.update({each: single[seen] for each, seen in old_looks.items() if seen in single})


def _pair_by_readers(before: JSONObject, after: JSONObject, pairs: dict[str, str]) -> None:
    """Pair what the same inputs of paired nodes are linked to, up the links as far as that leads."""
    taken = set(pairs.values())
    waiting = list(pairs.items())
    while waiting:
        old, new = waiting.pop()
        for source, target in _linked(inputs_of(before[old]), inputs_of(after[new])):
            known = source in before and target in after
            if (
                known
                and source not in pairs
                and target not in taken
                and _class(before, source) == _class(after, target)
            ):
                pairs[source] = target
                taken.add(target)
                waiting.append((source, target))


def _linked(former: JSONObject, latter: JSONObject) -> Iterator[tuple[str, str]]:
    for name, value in former.items():
        other = latter.get(name)
        if is_link(value) and is_link(other):
            yield str(value[0]), str(other[0])


def _class(prompt: JSONObject, node_id: str) -> str:
    return str(prompt[node_id]["class_type"])


def _titled(prompt: JSONObject, node_id: str) -> Hashable:
    name = node_name(prompt, node_id)
    return name.class_type, name.title


def _looks(prompt: JSONObject, node_id: str) -> Hashable:
    values = {name: value for name, value in inputs_of(prompt[node_id]).items() if not is_link(value)}
    return _titled(prompt, node_id), repr(sorted(values.items(), key=lambda each: each[0]))
