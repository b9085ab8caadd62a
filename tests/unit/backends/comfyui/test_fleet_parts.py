"""The small parts of a fleet: needs, offers put together, health, learned costs."""

import pytest

from comfypipe._types import JSON, JSONObject
from comfypipe.backends.comfyui.costs import LearnedCosts
from comfypipe.backends.comfyui.health import FleetTiming, Health, ServerState, poison_of
from comfypipe.backends.comfyui.needs import ModelUse, Needs, needs_of
from comfypipe.backends.comfyui.offer import union
from comfypipe.errors import OutOfMemory, RunError, RunFailed
from comfypipe.prompt.graph import PromptGraph
from comfypipe.prompt.object_info import ObjectInfo

CHECKPOINT: JSONObject = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd/xl.SAFETENSORS"}},
    "2": {"class_type": "Text", "inputs": {"text": "a photo of a .bin", "more": "line\nx.pt", "link": ["1", 0]}},
}


def offer(*choices: str, v3: bool = False, **more: JSON) -> ObjectInfo:
    """Return an offer of one class with these checkpoints."""
    spec: JSON = ["COMBO", {"options": list(choices)}] if v3 else [list(choices)]
    entry = {"input": {"required": {"ckpt_name": spec}}, "output": []}
    return ObjectInfo({"CheckpointLoaderSimple": entry, **more})


def test_models_are_read_from_what_nodes_name() -> None:
    """A file name that ends as models do is one, in any case of letters; text that goes on over lines is not."""
    needs = needs_of(PromptGraph.parse(CHECKPOINT))
    use = ModelUse("CheckpointLoaderSimple", "ckpt_name", "sd/xl.SAFETENSORS")
    spoken = ModelUse("Text", "text", "a photo of a .bin")
    classes = frozenset({"CheckpointLoaderSimple", "Text"})
    assert Needs(classes, frozenset({use, spoken}), frozenset({use.filename, spoken.filename})) == needs


@pytest.mark.parametrize("v3", [False, True])
def test_what_a_server_lacks_is_said_in_words(v3: bool) -> None:
    """Classes first, then models that a combo does not offer; text that only looks like one is never missing."""
    needs = needs_of(PromptGraph.parse(CHECKPOINT))
    text: JSONObject = {"input": {"required": {"text": ["STRING", {}]}}, "output": []}
    assert () == needs.missing_from(offer("sd/xl.SAFETENSORS", v3=v3, Text=text))
    assert ("the node class Text", "the model sd/xl.SAFETENSORS") == needs.missing_from(offer("other.pt", v3=v3))


@pytest.mark.parametrize("v3", [False, True])
def test_offers_are_put_together(v3: bool) -> None:
    """Classes and choices of all, each once, in the order of the servers; one alone stays as it is."""
    text: JSONObject = {"input": {}, "output": []}
    both = union([offer("a.pt", "b.pt", v3=v3), offer("b.pt", "c.pt", v3=v3, Text=text)])
    assert ["CheckpointLoaderSimple", "Text"] == list(both)
    assert ("a.pt", "b.pt", "c.pt") == both["CheckpointLoaderSimple"].inputs["ckpt_name"].choices
    alone = offer("a.pt")
    assert alone is union([alone])


@pytest.mark.parametrize(
    ("error", "poisoned"),
    [
        (OutOfMemory("no room", exception_type="torch.OutOfMemoryError"), True),
        (RunFailed("CUDA error: unspecified launch failure", exception_type="RuntimeError"), True),
        (RunFailed("x", exception_type="torch.AcceleratorError"), True),
        (RunFailed("CUBLAS_STATUS_EXECUTION_FAILED", exception_type="RuntimeError"), True),
        (RunFailed("no such file cuda.png", exception_type="FileNotFoundError"), False),
        (None, False),
    ],
)
def test_only_memory_and_gpu_poison_a_server(error: RunError | None, poisoned: bool) -> None:
    """Other failures are the run's own."""
    assert poisoned == (poison_of(error) is not None)


def test_probes_come_more_and_more_seldom_until_one_passes() -> None:
    """The wait doubles up to its limit, and begins anew after a readmission; a drained server stays drained."""
    health, timing = Health(), FleetTiming(first_probe_s=1, longest_probe_s=10)
    assert (True, False) == (health.quarantine("x"), health.quarantine("y"))
    assert [1, 2, 4, 8, 10, 10] == [health.next_probe_s(timing) for _ in range(6)]
    health.drain()
    assert ServerState.QUARANTINED == health.state
    health.readmit()
    assert (ServerState.DRAINING, None, 1) == (health.state, health.reason, health.next_probe_s(timing))


def test_silence_counts_from_its_beginning() -> None:
    """When it was first found silent is kept until something is heard."""
    health = Health()
    for now in (10.0, 60.0):
        health.silent(now)
    assert (10.0, False) == (health.silent_since, health.answered)
    health.heard()
    assert (None, True) == (health.silent_since, health.answered)


def test_costs_are_learned_from_runs() -> None:
    """A load is what the first run on other models took longer than the next one; newer runs weigh more."""
    learned, models, others = LearnedCosts(), frozenset({"a"}), frozenset({"b"})
    learned.observe(models, 7.0, cold=True)
    assert (10.0, 5.0) == (learned.costs().load_s, learned.costs().run_of(models))
    learned.observe(models, 2.0, cold=False)
    assert (5.0, 2.0, 2.0) == (learned.costs().load_s, learned.costs().run_of(models), learned.costs().run_of(others))
    learned.observe(models, 3.0, cold=False)
    learned.observe(models, 12.3, cold=True)
    assert (6.5, 2.3) == pytest.approx((learned.costs().load_s, learned.costs().run_of(models)))
