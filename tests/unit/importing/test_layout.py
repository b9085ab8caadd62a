"""Widgets and sockets of node classes, and which saved values belong to them."""

import pytest
from tests.unit.importing.builders import a_class

from comfypipe._types import JSON, JSONObject
from comfypipe.importing.layout import UNSET, class_layout
from comfypipe.importing.values import as_double, as_text, widget_values
from comfypipe.prompt.object_info import parse_node_info


def values(entry: JSONObject, saved: list[JSON], name: str = "Node") -> JSONObject:
    """Return what a prompt has of *saved* for a class declared by *entry*."""
    layout = class_layout(parse_node_info(name, entry))
    return {widget.name: value for widget, value in widget_values(layout, saved) if widget.sent and value is not UNSET}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (["INT", {}], 0),
        (["INT", {"default": 5, "min": 1}], 5),
        (["FLOAT", {}], 0),
        (["BOOLEAN", {}], False),
        (["STRING", {}], ""),
        ([["a", "b"], {}], "a"),
        ([["a", "b"]], "a"),
        ([["a", "b"], {"default": "b"}], "b"),
        (["COMBO", {"options": ["x", "y"]}], "x"),
        (["COMBO", {"options": ["x"], "multi_select": True}], []),
        (["COMBO", {"remote": {"route": "/x"}}], "Loading..."),
        (["COLOR", {}], "#000000"),
    ],
)
def test_a_widget_without_a_saved_value_has_its_default(spec: JSON, expected: JSON) -> None:
    """Declared default, else the first choice, else zero, false or nothing."""
    assert {"x": expected} == values(a_class({"x": spec}), [])


def test_a_choice_among_nothing_has_no_value() -> None:
    """An empty list of choices (no files on the server) leaves the input out."""
    assert {} == values(a_class({"x": [[], {}], "y": ["COMBO", {"options": []}]}), [])


def test_sockets_take_no_values() -> None:
    """Types that are no widget, and widgets that are forced to be inputs, only take links."""
    entry = a_class(
        {"image": ["IMAGE", {}], "a": ["INT", {"forceInput": True}], "b": ["IMAGE,FLOAT", {}], "c": ["INT", {}]},
        {"any": ["*", {}], "old": ["BOOL", {}]},
    )
    layout = class_layout(parse_node_info("Node", entry))
    assert {"image": "IMAGE", "a": "INT", "b": "IMAGE,FLOAT", "any": "*", "old": "BOOL"} == layout.sockets
    assert {"c": 3} == values(entry, [3])


def test_values_follow_input_order_where_it_is_given() -> None:
    """The order of ``input_order`` counts, then that of the declaration."""
    entry = a_class({"a": ["INT", {}], "b": ["INT", {}], "c": ["INT", {}]}, input_order={"required": ["c", "a"]})
    assert {"c": 1, "a": 2, "b": 3} == values(entry, [1, 2, 3])


@pytest.mark.parametrize(
    ("spec", "skipped"),
    [
        (["INT", {}], 0),
        (["INT", {"control_after_generate": True}], 1),
        (["INT", {"control_after_generate": "fixed"}], 1),
        (["FLOAT", {"control_after_generate": True}], 1),
        ([["a"], {"control_after_generate": True}], 2),
        (["COMBO", {"options": ["a"], "control_after_generate": True}], 2),
    ],
)
def test_controls_take_places_and_are_never_sent(spec: JSON, skipped: int) -> None:
    """A control follows what declares one; a combo's comes with a filter."""
    entry = a_class({"x": spec, "after": ["STRING", {}]})
    assert {"x": 1, "after": "next"} == values(entry, [1, *["randomize"] * skipped, "next"])


@pytest.mark.parametrize(("name", "skipped"), [("seed", 1), ("noise_seed", 1), ("my_seed", 0)])
def test_seeds_have_a_control_by_their_name(name: str, skipped: int) -> None:
    """``seed`` and ``noise_seed`` have one undeclared, unless it is declared away."""
    after: JSON = ["STRING", {}]
    assert values(a_class({name: ["INT", {}], "z": after}), [1, *[True] * skipped, "next"]) == {name: 1, "z": "next"}
    declared: JSON = ["INT", {"control_after_generate": False}]
    assert values(a_class({name: declared, "z": after}), [1, "next"]) == {name: 1, "z": "next"}


def test_a_seed_that_is_no_integer_has_no_control() -> None:
    """The name counts for integers alone."""
    assert {"seed": "x", "z": 2} == values(a_class({"seed": ["STRING", {}], "z": ["INT", {}]}), ["x", 2])


def test_values_of_inputs_that_became_sockets_are_left_out() -> None:
    """Where there are exactly as many values as widgets and forced inputs, the latter's go first."""
    entry = a_class(
        {"a": ["INT", {"forceInput": True}], "b": ["INT", {}], "c": ["INT", {"control_after_generate": True}]}
    )
    assert {"b": 2, "c": 3} == values(entry, [1, 2, 3, "fixed"])
    assert {"b": 1, "c": 2} == values(entry, [1, 2, "fixed"])


def test_upload_buttons_take_the_last_place_and_are_not_sent() -> None:
    """A class that takes uploads has a button after everything that is in ``input_order``."""
    entry = a_class({"image": [["a.png"], {"image_upload": True}], "channel": [["red", "blue"], {}]})
    assert {"image": "b.png", "channel": "blue"} == values(entry, ["b.png", "blue", "image"])


def test_remote_choices_have_a_toggle_and_a_button() -> None:
    """Both take a place; the button's label is sent, as the editor does."""
    spec: JSON = ["COMBO", {"remote": {"route": "/x", "refresh_button": True}}]
    entry = a_class({"image": spec, "z": ["INT", {}]})
    assert {"image": "a", "refresh": "refresh", "z": 4} == values(entry, ["a", False, "refresh", 4])


DYNAMIC: JSON = [
    "COMFY_DYNAMICCOMBO_V3",
    {
        "options": [
            {"key": "none", "inputs": {}},
            {
                "key": "scale",
                "inputs": {
                    "required": {"width": ["INT", {"default": 64}], "mask": ["MASK", {}]},
                    "optional": {"method": [["area", "cubic"], {}]},
                },
            },
            {
                "key": "deep",
                "inputs": {
                    "required": {
                        "inner": [
                            "COMFY_DYNAMICCOMBO_V3",
                            {"options": [{"key": "x", "inputs": {"required": {"seed": ["INT", {}]}}}]},
                        ]
                    }
                },
            },
        ]
    },
]


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        ([], {"how": "none", "after": 0}),
        (["none", 5], {"how": "none", "after": 5}),
        (["scale", 8, "cubic", 5], {"how": "scale", "how.width": 8, "how.method": "cubic", "after": 5}),
        (["scale"], {"how": "scale", "how.width": 64, "how.method": "area", "after": 0}),
        (["deep", "x", 3, 5], {"how": "deep", "how.inner": "x", "how.inner.seed": 3, "after": 5}),
        (["gone", 5], {"how": "gone", "after": 5}),
    ],
)
def test_a_dynamic_combo_adds_the_inputs_of_its_choice(saved: list[JSON], expected: JSONObject) -> None:
    """They come right after it, under its name and a dot, in V3's ``required`` and ``optional`` order."""
    assert expected == values(a_class({"how": DYNAMIC, "after": ["INT", {}]}), saved)


def autogrow(kind: JSON, **template: JSON) -> JSON:
    """Return an autogrow input whose inputs are of one *kind*."""
    return ["COMFY_AUTOGROW_V3", {"template": {"input": {"required": {"item": kind}}, **template}}]


def test_autogrow_inputs_are_numbered_or_named() -> None:
    """One more than the minimum is there from the start; names are a list, or a prefix and a number."""
    entry = a_class(
        {"images": autogrow(["IMAGE", {}], prefix="image", min=2, max=9), "n": autogrow(["INT", {}], names=["a"])}
    )
    layout = class_layout(parse_node_info("Node", entry))
    assert ["images.image0", "images.image1", "images.image2"] == list(layout.sockets)
    assert ["n.a"] == [each.name for each in layout.widgets]


def test_autogrow_stops_at_its_maximum() -> None:
    """No input beyond ``max``."""
    layout = class_layout(parse_node_info("Node", a_class({"x": autogrow(["IMAGE", {}], prefix="i", min=2, max=2)})))
    assert ["x.i0", "x.i1"] == list(layout.sockets)


def test_match_types_are_sockets_for_anything() -> None:
    """V3's template types take what fits elsewhere."""
    entry = a_class({"input": ["COMFY_MATCHTYPE_V3", {"template": {"template_id": "t", "allowed_types": "*"}}]})
    assert {"input": "*"} == class_layout(parse_node_info("Node", entry)).sockets


def test_a_combo_of_the_authors_own_sends_its_place_and_options() -> None:
    """``CustomCombo`` stores its options after the choice and its place."""
    entry = a_class({"choice": ["COMBO", {"options": []}]}, outputs=("STRING",))
    assert {"choice": "b", "index": 1, "option1": "a", "option2": "b", "option3": ""} == values(
        entry, ["b", 0, "a", "b", ""], "CustomCombo"
    )


def test_a_curve_is_sent_with_its_type() -> None:
    """Curves are wrapped as the editor does."""
    layout = class_layout(parse_node_info("Node", a_class({"c": ["CURVE", {}]})))
    assert [("c", "CURVE")] == [(each.name, each.wrap) for each in layout.widgets]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1),
        (True, True),
        (8.0, 8),
        (0.5, 0.5),
        (-(2**53) - 1, -(2**53)),
        (10**400, None),
        (float("inf"), None),
        (float("nan"), None),
        ([2.0, {"a": 3.0}], [2, {"a": 3}]),
        (None, None),
    ],
)
def test_numbers_become_what_a_browser_would_send(value: JSON, expected: JSON) -> None:
    """Doubles throughout; what is no number there is null."""
    got = as_double(value)
    assert (expected, type(expected)) == (got, type(got))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x", "x"),
        (True, "true"),
        (None, "null"),
        (3.0, "3"),
        (0.1, "0.1"),
        (1e-6, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        ([1, None, "a"], "1,,a"),
        ({"a": 1}, "[object Object]"),
    ],
)
def test_text_of_values_is_javascripts(value: JSON, expected: str) -> None:
    """As string concatenation in the editor makes it."""
    assert expected == as_text(value)
