from pathlib import Path

import pytest

from comfypipe.diagnostics import Source
from comfypipe.errors import TemplateError, TemplateNotJSON
from comfypipe.template import load_export

SHOWN = "workflows/a.json"

EXPORT = """{
  "3": {
    "inputs": {"seed": 5, "text": "é \\"x\\"",
      "model": ["4", 0]},
    "class_type": "KSampler"
  }, "4": {"class_type": "Load"}
}
"""


@pytest.mark.parametrize(
    ("node_id", "name", "line", "column"),
    [
        *[("3", None, 2, 3), ("3", "seed", 3, 16), ("3", "text", 3, 27), ("3", "model", 4, 7), ("4", None, 6, 6)],
        *[("3", "nope", 2, 3), ("9", None, 1, 1)],
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_places_are_exact(tmp_path: Path, newline: str, node_id: str, name: str | None, line: int, column: int) -> None:
    """The place of every input of an export is exact to the column, whatever ends its lines."""
    (tmp_path / "a.json").write_text(EXPORT, encoding="utf-8-sig", newline=newline)
    assert Source(SHOWN, line, column) == load_export(tmp_path / "a.json", SHOWN).source(node_id, name)


def test_document(tmp_path: Path) -> None:
    """The document is what the file says."""
    (tmp_path / "a.json").write_text(EXPORT, encoding="utf-8")
    document = load_export(tmp_path / "a.json", SHOWN).document
    assert {"seed": 5, "text": 'é "x"', "model": ["4", 0]} == document["3"]["inputs"]


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ('{\n "1": {},\n "1": {}}', 'node "1" is given twice in one object', (3, 2)),
        ('{\n "1": {"x": NaN}}', "NaN is not a JSON number", (2, 13)),
        ('{"1": {},}', "near", (1, 10)),
        ('{"nodes": [{"id": 1}]}', "this is a UI graph", (1, 1)),
        ("", "it is empty", (1, 1)),
    ],
)
def test_what_is_no_prompt(tmp_path: Path, text: str, message: str, place: tuple[int, int]) -> None:
    """What is no prompt is refused with its place; a comma too many is, too: no loop wrote it."""
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(TemplateNotJSON, match=message) as raised:
        load_export(tmp_path / "a.json", SHOWN)
    assert Source(SHOWN, *place) == raised.value.source


def test_ui_graph_has_a_hint(tmp_path: Path) -> None:
    """The editor's own save is told apart, with the command that converts it."""
    (tmp_path / "a.json").write_text('{"last_node_id": 3, "nodes": [], "links": []}')
    with pytest.raises(TemplateNotJSON) as raised:
        load_export(tmp_path / "a.json", SHOWN)
    assert "convert it with `comfypipe import FILE`, or use the editor's Export (API)" == raised.value.hint


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A file that is missing, a folder, or no text is a clear error."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin").write_bytes(b'{\n"a": "\xe9"}')
    messages = {"gone": "cannot be read: No such file", "folder": "not a file", "latin": "not UTF-8 text"}
    for name, message in messages.items():
        with pytest.raises(TemplateError, match=message) as raised:
            load_export(tmp_path / name, SHOWN)
        assert Source(SHOWN, 2 if name == "latin" else 1) == raised.value.source
