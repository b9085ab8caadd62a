"""``simulate:``: what it refuses, what it charges, and that it says what it is."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.unit.engine.simulation.simulated import text_to_image

from comfypipe._types import JSONObject
from comfypipe.backends.base import RunResult, RunStatus, Submission
from comfypipe.backends.registry import open_backend
from comfypipe.backends.simulate import SimulateBackend, create
from comfypipe.engine.simulation.costs import Costs
from comfypipe.errors import OutOfMemory, PromptInvalid, UsageError
from comfypipe.project import ProjectLayout, Settings
from comfypipe.testing import node

CHECKPOINT = "models/checkpoints/sd_xl_base_1.0.safetensors"


def run(backend: SimulateBackend, submission: Submission) -> RunResult:
    """Run a submission to its end."""

    async def go() -> RunResult:
        try:
            return await backend.wait(await backend.submit(submission))
        finally:
            await backend.close()

    return asyncio.run(go())


def submission(prompt: JSONObject, **values: Any) -> Submission:
    """Return a submission under a new id."""
    return Submission(str(uuid4()), prompt, **values)


def test_a_declared_model_is_taken(tmp_path: Path) -> None:
    """The result completes, and says that it is simulated."""
    result = run(SimulateBackend(tmp_path), submission(text_to_image(), models=(CHECKPOINT,)))
    assert (RunStatus.COMPLETED, True, None) == (result.status, result.simulated, result.error)


@pytest.mark.parametrize("models", [(), ("models/loras/sd_xl_base_1.0.safetensors",)])
def test_a_model_that_is_not_declared_is_refused(tmp_path: Path, models: tuple[str, ...]) -> None:
    """With its node, and with what to write into the manifest."""
    with pytest.raises(PromptInvalid) as caught:
        run(SimulateBackend(tmp_path), submission(text_to_image(), models=models))
    assert f"add to models in the manifest: - path: {CHECKPOINT}" == caught.value.hint
    assert ["model_not_declared"] == [each["type"] for each in caught.value.node_errors["model"]["errors"]]


def test_without_a_manifest_any_model_will_do(tmp_path: Path) -> None:
    """A prompt that nobody declared anything for runs."""
    assert RunStatus.COMPLETED == run(SimulateBackend(tmp_path), submission(text_to_image())).status


def test_what_needs_no_model_is_real(tmp_path: Path) -> None:
    """The backend may simulate, this run did not."""
    prompt = {
        "1": node("EmptyImage", width=8, height=8, batch_size=1, color=0),
        "2": node("SaveImage", images=["1", 0], filename_prefix="x"),
    }
    backend = SimulateBackend(tmp_path)
    assert (True, False) == (backend.simulated, run(backend, submission(prompt)).simulated)


def test_an_unknown_class_names_the_catalog(tmp_path: Path) -> None:
    """What to do about it is said."""
    with pytest.raises(PromptInvalid, match="no node class Mine") as caught:
        run(SimulateBackend(tmp_path), submission({"1": node("Mine")}))
    assert "comfypipe catalog pull" in str(caught.value.hint)


def test_too_little_memory_is_out_of_memory(tmp_path: Path) -> None:
    """The wanted accelerator's memory counts, so that falling back on the next can be rehearsed."""
    costs = Costs(memory_gb=80, accelerator_gb={"T4": 4})
    small = run(SimulateBackend(tmp_path, costs=costs), submission(text_to_image(), accelerator=("T4", "L4")))
    assert isinstance(small.error, OutOfMemory)
    assert "KSampler needs about 7.0 GB, and T4 has 4 GB" in str(small.error)
    large = run(SimulateBackend(tmp_path, costs=costs), submission(text_to_image(), accelerator=("L4",)))
    assert RunStatus.COMPLETED == large.status


def test_time_is_charged_and_can_be_cut_short(tmp_path: Path) -> None:
    """A sampler that takes an hour is cancelled at once."""

    async def go() -> RunResult:
        backend = SimulateBackend(tmp_path, costs=Costs(seconds={"KSampler": 3600}))
        handle = await backend.submit(submission(text_to_image()))
        started = asyncio.Event()
        waiting = asyncio.ensure_future(
            backend.wait(handle, lambda each: started.set() if each.class_type == "KSampler" else None)
        )
        await started.wait()
        await backend.cancel(handle)
        await backend.close()
        return await waiting

    assert RunStatus.CANCELLED == asyncio.run(asyncio.wait_for(go(), 30)).status


@pytest.mark.parametrize(
    ("url", "settings", "wanted"),
    [
        ("simulate:", {}, Costs()),
        ("simulate:?speed=20", {}, Costs(speed=20)),
        ("simulate:?seconds.KSampler=3", {"speed": 2}, Costs(speed=2, seconds={"KSampler": 3})),
        ("simulate:?memory_gb=8&memory_gb.L4=24", {}, Costs(memory_gb=8, accelerator_gb={"L4": 24})),
        ("simulate:?memory_gb=8", {"memory_gb": {"L4": 24}}, Costs(memory_gb=8, accelerator_gb={"L4": 24})),
    ],
)
def test_costs_are_set_by_url_and_settings(tmp_path: Path, url: str, settings: dict[str, Any], wanted: Costs) -> None:
    """The URL counts before the settings; names stand after a dot."""
    backend = create(url, settings, ProjectLayout(tmp_path))
    prepared = backend.engine.registry["KSampler"]
    assert wanted == costs_in(prepared.function)
    assert url == backend.url


def costs_in(function: Any) -> Costs:
    """Return what a stand-in charges."""
    return next(each.cell_contents for each in function.__closure__ if isinstance(each.cell_contents, Costs))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("simulate:?sped=2", 'has no setting "sped"'),
        ("simulate:?speed=fast", "speed takes a number above 0, not 'fast'"),
        ("simulate:?speed=0", "speed takes a number above 0"),
        ("simulate:?seconds=3", "seconds goes by class"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(tmp_path: Path, url: str, said: str) -> None:
    """With what is wrong about it."""
    with pytest.raises(UsageError, match=said):
        create(url, {}, ProjectLayout(tmp_path))


def test_kept_catalogs_are_taken(tmp_path: Path) -> None:
    """Classes of a catalog in the project's folder are stood in for by what they declare."""
    (tmp_path / "catalogs").mkdir()
    (tmp_path / "catalogs" / "mine.json").write_text(
        '{"Mine": {"input": {"required": {"width": ["INT"], "height": ["INT"]}}, "output": ["IMAGE"]}}'
    )
    backend = open_backend("simulate:", ProjectLayout(tmp_path, Settings(catalogs="catalogs")))
    assert isinstance(backend, SimulateBackend)
    prompt = {
        "1": node("Mine", width=64, height=32),
        "2": node("SaveImage", images=["1", 0], filename_prefix="x"),
    }
    assert RunStatus.COMPLETED == run(backend, submission(prompt)).status
