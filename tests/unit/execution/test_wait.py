"""Waiting: how it ends, and that nothing runs on unwatched."""

import asyncio
from typing import Any

import pytest
from tests.unit.execution.folder_backend import Fault
from tests.unit.execution.setting import Setting, a_prompt_job

from comfypipe.backends.base import NodeProgress, RunStatus
from comfypipe.errors import BackendUnavailable, OutOfMemory, RunCancelled, RunFailed, RunTimedOut, ServerStateLost
from comfypipe.execution.context import Execution
from comfypipe.execution.submit import submit
from comfypipe.execution.wait import wait
from comfypipe.plan.steps import Job
from comfypipe.store.records import RunRecord

FAIL = {"7": {"class_type": "Fail", "inputs": {}}}
MEMORY = {"7": {"class_type": "NeedsMemory", "inputs": {"accelerator": "A100"}}}


def submit_and_wait(setting: Setting, job: Job | None = None, **options: Any) -> Any:
    """Submit a job and return how it ended."""

    async def steps(execution: Execution, run: RunRecord) -> Any:
        return await wait(execution, await submit(execution, job or a_prompt_job(), run), **options)

    return setting.use(steps)


def test_a_completed_run_is_returned(setting: Setting) -> None:
    """The result has the run's files; its attempt stays open until they are collected."""
    result = submit_and_wait(setting)
    assert (RunStatus.COMPLETED, ["portrait_00001_.png"]) == (result.status, [file.filename for file in result.files])
    assert "submitted" == setting.attempts()[0].status


def test_progress_is_passed_on(setting: Setting) -> None:
    """What the backend tells reaches the listener."""
    heard: list[NodeProgress] = []
    submit_and_wait(setting, on_progress=heard.append)
    assert ["started"] == [each.state for each in heard]


@pytest.mark.parametrize(("prompt", "error"), [(FAIL, RunFailed), (MEMORY, OutOfMemory)])
def test_a_failed_run_is_raised_and_stored(setting: Setting, prompt: Any, error: type[RunFailed]) -> None:
    """The node's error is raised as its kind, and the attempt has failed with it."""
    with pytest.raises(error) as raised:
        submit_and_wait(setting, a_prompt_job(prompt))
    stored = setting.attempts()[0]
    assert ("failed", raised.value.to_json()) == (stored.status, stored.error)


def test_a_run_that_takes_too_long_is_cancelled(setting: Setting) -> None:
    """After its time the error says how long that was, and the remote run is stopped."""
    setting.backend.hold = True
    with pytest.raises(RunTimedOut, match=r"did not end within 0\.05 s on folder:"):
        submit_and_wait(setting, timeout_s=0.05)
    stored = setting.attempts()[0]
    assert ([stored.prompt_id], "cancelled") == (setting.backend.cancelled, stored.status)
    assert "RunTimedOut" == (stored.error or {})["type"]


def test_cancelling_reaches_the_backend(setting: Setting) -> None:
    """Cancelling the wait stops the remote run before the cancellation goes on."""
    setting.backend.hold = True

    async def steps(execution: Execution, run: RunRecord) -> None:
        attempt = await submit(execution, a_prompt_job(), run)
        waiting = asyncio.create_task(wait(execution, attempt))
        await asyncio.sleep(0)
        waiting.cancel()
        await waiting

    with pytest.raises(asyncio.CancelledError):
        setting.use(steps)
    stored = setting.attempts()[0]
    assert ([stored.prompt_id], "cancelled") == (setting.backend.cancelled, stored.status)


def test_a_run_cancelled_on_the_server_is_told_apart(setting: Setting) -> None:
    """Somebody else's cancelling is neither a failure nor a success."""
    setting.backend.hold = True

    async def steps(execution: Execution, run: RunRecord) -> None:
        attempt = await submit(execution, a_prompt_job(), run)
        await setting.backend.cancel(attempt.handle)
        await wait(execution, attempt)

    with pytest.raises(RunCancelled):
        setting.use(steps)
    assert "cancelled" == setting.attempts()[0].status


def test_a_run_that_the_server_forgot_is_lost(setting: Setting) -> None:
    """The attempt is closed as lost: the next one has to be another."""
    setting.backend.hook = Fault("before wait", ServerStateLost("restarted"))
    with pytest.raises(ServerStateLost):
        submit_and_wait(setting)
    assert "lost" == setting.attempts()[0].status


def test_a_broken_connection_leaves_the_attempt_open(setting: Setting) -> None:
    """When the backend cannot be asked the run may go on: the attempt can be joined again."""
    setting.backend.hook = Fault("before wait", BackendUnavailable("reset"))
    with pytest.raises(BackendUnavailable):
        submit_and_wait(setting)
    assert "submitted" == setting.attempts()[0].status
