"""Model files that are named at last when a node runs."""

from pathlib import Path

from tests.unit.engine.simulation.simulated import simulated, text_to_image

from comfypipe._types import JSONObject
from comfypipe.engine.events import RunFailed
from comfypipe.testing import node

BASE = "models/checkpoints/sd_xl_base_1.0.safetensors"
INK = "models/loras/ink.safetensors"


PICK: JSONObject = {
    "Pick": {"input": {"required": {"lora": ["STRING"]}}, "output": ["COMBO"], "output_name": ["lora"], "name": "Pick"}
}


def with_linked_lora() -> JSONObject:
    """Return a prompt in which a node tells the name of the LoRA."""
    return text_to_image() | {
        "name": node("Pick", lora="ink.safetensors"),
        "lora": node("LoraLoaderModelOnly", model=["model", 0], lora_name=["name", 0], strength_model=1.0),
        "preview": node("PreviewAny", source=["lora", 0]),
    }


def test_a_linked_name_is_checked_when_the_node_runs(tmp_path: Path) -> None:
    """One that is not declared is an error of that node, which names the input and what to declare."""
    outcome = simulated(tmp_path, PICK).run(with_linked_lora(), models=(BASE,))
    assert isinstance(outcome.end, RunFailed)
    assert ("lora", "ValueError") == (outcome.end.node_id, outcome.end.exception_type)
    assert f"lora_name: the manifest does not declare the model {INK}" in outcome.end.message


def test_a_linked_name_that_is_declared_is_fine(tmp_path: Path) -> None:
    """And where nothing is declared at all, nothing is checked."""
    assert simulated(tmp_path, PICK).run(with_linked_lora(), models=(BASE, INK)).succeeded
    assert simulated(tmp_path, PICK).run(with_linked_lora()).succeeded


def test_what_another_manifest_declares_does_not_help(tmp_path: Path) -> None:
    """A result that is kept from a run which declared the model is not taken by one that does not."""
    engine = simulated(tmp_path, PICK).engine
    prepared = engine.prepare(with_linked_lora())
    outcomes = [engine.execute(prepared, prompt_id="p", models=models) for models in ((BASE, INK), (BASE,))]
    assert [True, False] == [each.succeeded for each in outcomes]
