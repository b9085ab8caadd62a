"""Prompts kept by what differs between them."""

from copy import deepcopy

from hypothesis import given
from hypothesis import strategies as st
from tests.batch_results import prompt

from comfypipe._types import JSON, JSONObject
from comfypipe.reports.gallery.prompts import PromptTable

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3), lambda each: st.lists(each, max_size=2)
)
PROMPTS = st.dictionaries(
    st.sampled_from("123"),
    st.fixed_dictionaries(
        {"class_type": st.sampled_from("AB"), "inputs": st.dictionaries(st.sampled_from("xy"), VALUES, max_size=2)}
    ),
    max_size=3,
)


def restored(table: PromptTable, kept: list[JSON]) -> JSONObject:
    """Return a prompt as the page puts it together."""
    number, changes = kept
    whole = deepcopy(table.bases[number])
    for node_id, name, value in changes:
        whole[node_id]["inputs"][name] = value
    return whole


def test_prompts_of_one_shape_share_their_base() -> None:
    """Of the second prompt only the value that differs is kept."""
    table = PromptTable()
    kept = [table.add(prompt(10, "euler")), table.add(prompt(20, "euler"))]
    assert [[0, []], [0, [["3", "steps", 20]]]] == kept
    assert [prompt(10, "euler")] == table.bases


@given(st.lists(PROMPTS, max_size=5))
def test_every_prompt_can_be_put_together_again(prompts: list[JSONObject]) -> None:
    """Whatever prompts are added, base and changes give each of them back."""
    table = PromptTable()
    kept = [table.add(each) for each in prompts]
    assert prompts == [restored(table, each) for each in kept]
