"""What a fleet offers as a whole: every class, and every choice, that one of its servers has."""

from collections.abc import Iterable, Mapping, Sequence

from comfypipe._types import JSON, JSONObject
from comfypipe.prompt.object_info import ObjectInfo


def union(infos: Sequence[ObjectInfo]) -> ObjectInfo:
    """
    Return the offers put together; a class is declared as the first server that has it declares it.

    The choices of its combos are those of all, so that a model that one server has can be chosen: which server a
    prompt goes to is decided by what it needs.
    """
    if len(infos) == 1:
        return infos[0]
    merged: JSONObject = {}
    for info in infos:
        for class_type, raw in info.to_json().items():
            if class_type not in merged:
                merged[class_type] = raw
            elif merged[class_type] != raw:
                merged[class_type] = _with_choices(merged[class_type], raw)
    return ObjectInfo(merged)


def _with_choices(ours: JSONObject, theirs: JSONObject) -> JSONObject:
    inputs = _object(ours.get("input"))
    others = _object(theirs.get("input"))
    groups = {name: _group(_object(specs), _object(others.get(name))) for name, specs in inputs.items()}
    return ours | {"input": groups}


def _group(ours: JSONObject, theirs: JSONObject) -> JSONObject:
    return {name: _merged(spec, theirs.get(name)) for name, spec in ours.items()}


def _merged(ours: JSON, theirs: JSON) -> JSON:
    if not isinstance(ours, list) or not isinstance(theirs, list) or not ours or not theirs:
        return ours
    if isinstance(ours[0], list) and isinstance(theirs[0], list):
        return [_together(ours[0], theirs[0]), *ours[1:]]
    if ours[0] == theirs[0] == "COMBO" and len(ours) > 1 and len(theirs) > 1:
        options = _together(_list(_object(ours[1]).get("options")), _list(_object(theirs[1]).get("options")))
        return ["COMBO", {**_object(ours[1]), "options": options}, *ours[2:]]
    return ours


def _together(ours: Iterable[JSON], theirs: Iterable[JSON]) -> list[JSON]:
    first = list(ours)
    return first + [each for each in theirs if each not in first]


def _object(value: JSON) -> JSONObject:
    return dict(value) if isinstance(value, Mapping) else {}


def _list(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else []
