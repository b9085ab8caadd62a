import copy

import pytest

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import PromptInvalid
from comfypipe.prompt.bind import Target, bind, resolve

DOCUMENT: JSONObject = {
    "6": {"class_type": "Text", "inputs": {"text": "a", "clip": ["4", 1]}, "_meta": {"title": "Positive prompt"}},
    "7": {"class_type": "Text", "inputs": {"text": "b"}, "_meta": {"title": "v1.5 text"}},
    "8": {"class_type": "Batch", "inputs": {"images.image0": ["4", 0], "inputs.odd": 1}, "_meta": {"title": "Twin"}},
    "9": {"class_type": "Batch", "inputs": {"text": 1}, "_meta": {"title": "Twin"}},
    "10": {"class_type": "Bare"},
    "4": {"class_type": "Load", "inputs": {"name": "x"}},
}


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("6.inputs.text", ("6", "text")),
        ("6.text", ("6", "text")),
        ("Positive prompt.text", ("6", "text")),
        ("Positive prompt.inputs.text", ("6", "text")),
        ("v1.5 text.text", ("7", "text")),
        ("8.inputs.images.image0", ("8", "images.image0")),
        ("8.inputs.odd", ("8", "inputs.odd")),
        ("Twin.text", ("9", "text")),
        ("6.clip", ("6", "clip")),
    ],
)
def test_references(reference: str, target: tuple[str, str]) -> None:
    """An input is named by its node's id or title; dots in titles and names do no harm."""
    assert Target(*target) == resolve(DOCUMENT, reference)


def test_the_document_stays() -> None:
    """Binding gives a new document and leaves the export as it was."""
    before = copy.deepcopy(DOCUMENT)
    bound = bind(DOCUMENT, {"6.text": "new", "Positive prompt.clip": ["5", 0], "7.text": "other"})
    assert before == DOCUMENT
    assert {"text": "new", "clip": {"__value__": ["5", 0]}} == bound["6"]["inputs"]
    assert {**DOCUMENT, "6": bound["6"], "7": bound["7"]} == bound
    assert "other" == bound["7"]["inputs"]["text"]


def test_a_list_is_no_link() -> None:
    """A list is wrapped as the editor does: a server would take it for a link."""
    value: JSON = [1, 2, 3]
    assert {"__value__": [1, 2, 3]} == bind(DOCUMENT, {"6.text": value})["6"]["inputs"]["text"]


@pytest.mark.parametrize(
    ("reference", "message", "hint"),
    [
        ("6.inputs.txet", 'node 6 has no input "txet"', "did you mean text?"),
        ("6.inputs.zzz", 'node 6 has no input "zzz"', "its inputs: text, clip"),
        ("10.text", 'node 10 has no input "text"', "its inputs: none"),
        ("Positive promt.text", 'no node has the id or title "Positive promt"', "did you mean Positive prompt?"),
        ("text", "names no input", 'write "NODE.inputs.NAME", with the id or the title of a node'),
    ],
)
def test_unknown_references(reference: str, message: str, hint: str) -> None:
    """A reference that leads nowhere is refused with what is closest."""
    with pytest.raises(PromptInvalid, match=message) as raised:
        resolve(DOCUMENT, reference)
    assert hint == raised.value.hint


def test_ambiguous_reference() -> None:
    """A title that several nodes have, each with such an input, is refused."""
    twins = {key: {**DOCUMENT["6"]} for key in ("1", "2")}
    with pytest.raises(PromptInvalid, match=r"fits 2 inputs: 1\.inputs\.text, 2\.inputs\.text"):
        resolve(twins, "Positive prompt.text")
