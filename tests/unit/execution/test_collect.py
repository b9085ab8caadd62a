"""Collecting: which files and values become which outputs."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.execution.folder_backend import Fault, FolderBackend
from tests.unit.execution.setting import Setting, a_prompt_job, text_node
from tests.unit.store.limits import file_size_limit

from comfypipe.backends.base import OutputFile, RunHandle, RunResult, RunStatus
from comfypipe.errors import BackendUnavailable, RunFailed, StoreError
from comfypipe.execution.collect import collect, find_outputs, name_outputs
from comfypipe.execution.context import Execution
from comfypipe.execution.submit import submit
from comfypipe.execution.wait import wait
from comfypipe.plan.steps import Job
from comfypipe.store.records import RunRecord


def collected(setting: Setting, job: Job) -> Any:
    """Run a job and return its outputs."""

    async def steps(execution: Execution, run: RunRecord) -> Any:
        attempt = await submit(execution, job, run)
        return await collect(execution, job, attempt, await wait(execution, attempt))

    return setting.use(steps)


def saving(count: int = 1, **meta: str) -> dict[str, Any]:
    """Return a prompt that saves so many pictures and previews one."""
    inputs = {"filename_prefix": "p", "subject": "x", "count": count}
    return {
        "1": {"class_type": "SaveImage", "inputs": inputs, "_meta": meta},
        "2": {"class_type": "PreviewImage", "inputs": {}},
    }


def result_of(*files: OutputFile, **values: dict[str, Any]) -> RunResult:
    """Return the result of a completed run."""
    return RunResult(RunStatus.COMPLETED, files, values)


def test_a_file_is_stored_and_named(setting: Setting) -> None:
    """A declared output is a file in the store, with its readable name, its digest and its kind."""
    image = collected(setting, a_prompt_job())["image"]
    content = image.path.read_bytes()
    assert ("portrait_00001_.png", "image") == (image.filename, image.media)
    assert hashlib.sha256(content).hexdigest() == image.sha256
    assert setting.artifacts.path(image.sha256) == image.path


def test_job_and_attempt_are_completed_with_the_outputs(setting: Setting) -> None:
    """Once everything is stored, and not before, the ledger says completed."""
    image = collected(setting, a_prompt_job())["image"]
    job, attempt = setting.jobs()[0], setting.attempts()[0]
    outputs = setting.use(lambda execution, _run: execution.ledger.outputs([job.id]), new=False)[job.id]
    assert ("completed", "completed", 0.25) == (job.status, attempt.status, attempt.execution_s)
    size_bytes = image.path.stat().st_size
    assert [("image", "1", image.sha256, "portrait_00001_.png", size_bytes, "image/png")] == [
        (each.name, each.node_id, each.sha256, each.filename, each.size_bytes, each.media_type) for each in outputs
    ]


def test_several_files_are_a_list(setting: Setting) -> None:
    """A node that saved three pictures gives a list of three, in its order."""
    images = collected(setting, a_prompt_job(saving(3)))["image"]
    assert ["p_00001_.png", "p_00002_.png", "p_00003_.png"] == [each.filename for each in images]


def test_without_declared_outputs_everything_saved_is_one(setting: Setting) -> None:
    """Saved files, not previews, are outputs, named by their node's title."""
    outputs = collected(setting, a_prompt_job(saving(title="The Big Picture"), outputs={}))
    assert ["the_big_picture"] == list(outputs)


@pytest.mark.parametrize(
    ("declared", "shown", "expected"),
    [
        ("text", "a cat", "a cat"),
        ("integer", "7", 7),
        ("integer", "7.0", 7),
        ("integer", 7, 7),
        ("integer", str(2**64), 2**64),
        ("number", "0.5", 0.5),
        ("boolean", "True", True),
        ("json", '{"a": [1]}', {"a": [1]}),
        ("text", ["a", "b"], ["a", "b"]),
    ],
)
def test_shown_text_is_read_as_declared(setting: Setting, declared: str, shown: object, expected: object) -> None:
    """Text and numbers come from what the node shows, as the type that the manifest declares."""
    job = a_prompt_job(dict(text_node(shown)), outputs={"said": ("1", declared)})
    assert {"said": expected} == collected(setting, job)


@pytest.mark.parametrize(
    ("declared", "shown"),
    [("integer", "1.5"), ("integer", "cat"), ("number", "nan"), ("number", "cat"), ("boolean", "yes"), ("json", "{")],
)
def test_text_of_another_type_is_an_error(setting: Setting, declared: str, shown: str) -> None:
    """What cannot be read as declared fails the run, and the error shows what came."""
    job = a_prompt_job(dict(text_node(shown)), outputs={"said": ("1", declared)})
    with pytest.raises(RunFailed, match=f'output "said" is declared as {declared}') as raised:
        collected(setting, job)
    assert repr(shown) in raised.value.message


@pytest.mark.parametrize(
    ("outputs", "hint"),
    [
        ({"image": ("2", "image")}, "it only made a preview"),
        ({"image": ("9", "image")}, "name the node that saves it"),
        ({"said": ("1", "text")}, "shows no text"),
    ],
)
def test_a_node_that_gave_nothing_is_named(setting: Setting, outputs: dict[str, tuple[str, str]], hint: str) -> None:
    """A declared output that was not made fails the run, with what to do."""
    with pytest.raises(RunFailed, match="was not made") as raised:
        collected(setting, a_prompt_job(saving(), outputs=outputs))
    assert hint in str(raised.value.hint)


def test_a_run_that_saved_nothing_is_an_error() -> None:
    """Without declared outputs at least one file has to be saved; previews do not count."""
    preview = OutputFile("2", "images", "a.png", kind="temp")
    with pytest.raises(RunFailed, match="saved no file"):
        find_outputs(a_prompt_job(outputs={}), result_of(preview))


def test_other_shown_values_are_found_where_there_is_no_text() -> None:
    """A custom node that shows its number under a key of its own is read; what belongs to files is not."""
    job = a_prompt_job(outputs={"said": ("1", "integer")})
    found = find_outputs(job, result_of(**{"1": {"images": [{"filename": "a"}], "animated": [True], "count": [3]}}))
    assert 3 == found[0].value


def test_names_are_made_once() -> None:
    """Nodes of the same class or title get numbers; names are made of letters, digits and underscores."""
    prompt = {
        "1": {"class_type": "SaveImage", "inputs": {}},
        "2": {"class_type": "SaveImage", "inputs": {}},
        "3": {"class_type": "X", "inputs": {}, "_meta": {"title": "Save image 2!"}},
        "4": {"class_type": "X", "inputs": {}, "_meta": {"title": "日本"}},
    }
    names = name_outputs(prompt, list(prompt))
    assert {"1": "save_image", "2": "save_image_2", "3": "save_image_2_2", "4": "output"} == names


def test_a_name_that_no_database_takes_is_written_out(setting: Setting) -> None:
    """Half a surrogate pair and a zero in a server's file name are kept as what they look like."""

    class Odd(FolderBackend):
        async def wait(self, handle: RunHandle, on_progress: Any = None) -> RunResult:
            result = await super().wait(handle, on_progress)
            return replace(result, files=tuple(replace(file, filename="a\ud800\0.png") for file in result.files))

        async def fetch(self, output: OutputFile, destination: Path) -> None:
            await super().fetch(replace(output, filename="portrait_00001_.png"), destination)

    setting.backend = Odd(setting.backend.folder)
    assert "a\\ud800\\0.png" == collected(setting, a_prompt_job())["image"].filename


def test_files_that_cannot_be_fetched_leave_the_job_open(setting: Setting) -> None:
    """Nothing is completed when a file did not come; it can be collected again, without running again."""
    setting.backend.hook = Fault("fetch", BackendUnavailable("reset"))
    with pytest.raises(BackendUnavailable):
        collected(setting, a_prompt_job())
    assert ("running", "submitted") == (setting.jobs()[0].status, setting.attempts()[0].status)


def test_a_full_disk_is_told_apart(setting: Setting) -> None:
    """When there is no room for a file the error is the store's, and nothing half-written is left."""
    big = saving()
    big["1"]["inputs"]["subject"] = "x" * 200_000

    def limited(point: str, _prompt_id: str) -> None:
        if point == "fetch":
            limit.__enter__()

    limit = file_size_limit(100_000)
    setting.backend.hook = limited
    try:
        with pytest.raises(StoreError, match="free some space"):
            collected(setting, a_prompt_job(big))
    finally:
        limit.__exit__(None, None, None)
    assert [] == [path for path in (setting.root / "artifacts").rglob("*") if path.is_file()]
