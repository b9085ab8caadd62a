import json
from pathlib import Path

import pytest
from tests.unit.prompt.builders import CLASSES, offered

from comfypipe.errors import UsageError
from comfypipe.prompt.object_info import ObjectInfo, OutputInfo, parse_node_info, read_object_info


def test_inputs_in_v1_form() -> None:
    """A combo in V1 form offers its list, which is checked; required inputs come before optional ones."""
    info = offered()["Scale"]
    method = info.inputs["method"]
    assert ["image", "method", "by", "mask"] == list(info.inputs)
    assert ("COMBO", ("near", "far"), True, True) == (
        method.type,
        method.choices,
        method.choices_checked,
        method.required,
    )


def test_inputs_in_v3_form() -> None:
    """A combo in V3 form offers its options, which are not checked."""
    mode = offered()["Mode"].inputs["mode"]
    assert ("COMBO", ("x", "y"), False) == (mode.type, mode.choices, mode.choices_checked)


def test_outputs_are_as_many_as_their_types() -> None:
    """An entry that names fewer outputs than it has keeps all of them, named by their type."""
    info = parse_node_info("A", {"output": ["IMAGE", ["a", "b"]], "output_name": ["picture"], "output_is_list": [True]})
    assert (OutputInfo("picture", "IMAGE", True), OutputInfo("COMBO", "COMBO", False)) == info.outputs


def test_mapping() -> None:
    """It is a mapping by class type, and gives back what it was made of."""
    info = offered()
    assert (len(CLASSES), "Save" in info, "Nope" in info, CLASSES) == (
        len(info),
        True,
        "Nope" in list(info),
        info.to_json(),
    )
    with pytest.raises(KeyError):
        info["Nope"]


def test_digest_is_of_the_content() -> None:
    """Two replies with the same content have one digest, whatever the order of their keys."""
    turned = ObjectInfo(dict(reversed(CLASSES.items())))
    assert offered().digest == turned.digest
    assert offered().digest != ObjectInfo({}).digest


def test_catalog_file(tmp_path: Path) -> None:
    """A catalog is read from a file."""
    (tmp_path / "a.json").write_text(json.dumps(CLASSES))
    assert CLASSES == read_object_info(tmp_path / "a.json").to_json()


@pytest.mark.parametrize("text", ["", "[1]", '{"1": {"class_type": "A"}}', "\xff", None])
def test_no_catalog(tmp_path: Path, text: str | None) -> None:
    """What is no catalog is refused, with the command that makes one."""
    if text is not None:
        (tmp_path / "a.json").write_text(text, encoding="latin-1")
    with pytest.raises(UsageError) as raised:
        read_object_info(tmp_path / "a.json")
    assert "make one with `comfypipe catalog pull --backend URL`" == raised.value.hint
