"""Model files that are named at last when a node runs."""

from pathlib import Path

from tests.unit.engine.simulation.simulated import text_to_image

from comfypipe._types import JSONObject
from comfypipe.engine.catalog import core_registry
from comfypipe.engine.custom import with_custom
from comfypipe.engine.events import RunFailed
from comfypipe.engine.executor import Engine
from comfypipe.engine.outcome import Outcome
from comfypipe.engine.registry import Folders, NodeClass, outputs, required
from comfypipe.engine.simulation.registry import simulating_registry
from comfypipe.testing import node

BASE = "models/checkpoints/sd_xl_base_1.0.safetensors"
INK = "models/loras/ink.safetensors"
PICK = NodeClass("Pick", lambda style: (f"{style}.safetensors",), {"style": required("STRING")}, outputs("COMBO"))


def with_linked_lora() -> JSONObject:
    """Return a prompt in which a node of the user's own tells the name of the LoRA."""
    return text_to_image() | {
        "name": node("Pick", style="ink"),
        "lora": node("LoraLoaderModelOnly", model=["model", 0], lora_name=["name", 0], strength_model=1.0),
        "preview": node("PreviewAny", source=["lora", 0]),
    }


def engine_in(folder: Path) -> Engine:
    """Return an engine that simulates, with a node of the user's own."""
    folders = Folders(folder / "input", folder / "output", folder / "temp")
    return Engine(folders, simulating_registry(with_custom(core_registry(), [PICK])))


def run(engine: Engine, *models: str) -> Outcome:
    """Run the prompt with these models declared."""
    return engine.execute(engine.prepare(with_linked_lora()), prompt_id="p", models=models or None)


def test_a_linked_name_is_checked_when_the_node_runs(tmp_path: Path) -> None:
    """One that is not declared is an error of that node, which names the input and what to declare."""
    end = run(engine_in(tmp_path), BASE).end
    assert isinstance(end, RunFailed)
    assert ("lora", "ValueError") == (end.node_id, end.exception_type)
    assert f"lora_name: the manifest does not declare the model {INK}" in end.message


def test_a_linked_name_that_is_declared_is_fine(tmp_path: Path) -> None:
    """And where nothing is declared at all, nothing is checked."""
    assert run(engine_in(tmp_path), BASE, INK).succeeded
    assert run(engine_in(tmp_path)).succeeded


def test_what_another_manifest_declares_does_not_help(tmp_path: Path) -> None:
    """A result that is kept from a run which declared the model is not taken by one that does not."""
    engine = engine_in(tmp_path)
    assert [True, False] == [run(engine, *models).succeeded for models in ((BASE, INK), (BASE,))]
