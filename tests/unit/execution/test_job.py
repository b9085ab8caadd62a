"""One job: the cache, tries by kind of fault, and joining what is still open."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.execution.folder_backend import Fault, FolderBackend
from tests.unit.execution.setting import Setting, a_prompt_job
from tests.unit.store.builders import a_run

from comfypipe.backends.base import RunHandle, Submission
from comfypipe.errors import (
    BackendRejected,
    BackendUnavailable,
    ComfypipeError,
    OutOfMemory,
    RunCancelled,
    RunFailed,
    ServerStateLost,
    SubmissionUnknown,
)
from comfypipe.execution.context import Execution
from comfypipe.execution.events import Event, JobFailed, JobFinished, JobRetried
from comfypipe.execution.job import JobResult, run_job
from comfypipe.execution.submit import submit
from comfypipe.manifest.schema import RetrySpec
from comfypipe.manifest.values import FileValue
from comfypipe.plan.steps import Job
from comfypipe.store.records import RunRecord

JOB = a_prompt_job()
OTHER_RUN = a_run("0q3k7f2a0002")


def run_in(
    setting: Setting, run: RunRecord | None = None, job: Job = JOB, *, new: bool = True, **changes: Any
) -> JobResult:
    """Run a job in a run of its own."""
    return setting.use(lambda execution, record: run_job(execution, job, record), run=run, new=new, **changes)


def image_of(result: JobResult) -> FileValue:
    """Return the one picture of a job."""
    image = result.values["image"]
    assert isinstance(image, FileValue)
    return image


def statuses(setting: Setting) -> list[tuple[int, str]]:
    """Return number and status of each attempt."""
    return [(attempt.number, attempt.status) for attempt in setting.attempts()]


def test_a_job_runs_and_is_kept(setting: Setting) -> None:
    """A new job is executed once, its outputs are real and its end is told."""
    result = run_in(setting)
    assert (False, False, 1) == (result.cached, result.simulated, len(setting.backend.executions))
    assert JobFinished("0q3k7f2a0001", "portrait", None, cached=False) == setting.events[-1]


def test_the_same_job_in_another_run_takes_the_stored_outputs(setting: Setting) -> None:
    """A job with the same digest is not executed again; the run's record has the outputs as its own."""
    first = run_in(setting)
    second = run_in(setting, OTHER_RUN)
    assert (True, first.values, 1) == (second.cached, second.values, len(setting.backend.executions))
    job = setting.jobs(OTHER_RUN)[0]
    assert ("completed", setting.jobs()[0].id) == (job.status, job.cached_from)


def test_without_the_cache_it_runs_anew(setting: Setting) -> None:
    """Results of other runs are not taken when they are not wanted."""
    run_in(setting)
    assert run_in(setting, OTHER_RUN, cache=False).cached is False
    assert 2 == len(setting.backend.executions)


def test_a_runs_own_finished_jobs_are_never_run_again(setting: Setting) -> None:
    """Without the cache too, a run that is resumed keeps what it had finished."""
    run_in(setting, cache=False)
    assert run_in(setting, new=False, cache=False).cached is True
    assert 1 == len(setting.backend.executions)


@pytest.mark.parametrize("damage", ["missing", "corrupt"])
def test_a_job_whose_file_is_gone_or_damaged_runs_again(setting: Setting, damage: str) -> None:
    """Stored outputs are only taken when every byte of them is there; what runs again mends the store."""
    image = image_of(run_in(setting))
    assert image.path is not None
    image.path.unlink() if damage == "missing" else image.path.write_bytes(b"x")
    again = image_of(run_in(setting, OTHER_RUN))
    assert 2 == len(setting.backend.executions)
    assert setting.artifacts.verify(str(again.sha256)) == again.path


def test_simulated_results_do_not_stand_for_real_ones(setting: Setting) -> None:
    """What was simulated is run for real by a real backend, and taken by a simulating one."""
    setting.backend.simulated = True
    assert run_in(setting).simulated is True
    assert run_in(setting, OTHER_RUN).cached is True
    setting.backend.simulated = False
    third = run_in(setting, a_run("0q3k7f2a0003"))
    assert (False, False, 2) == (third.cached, third.simulated, len(setting.backend.executions))


def test_a_real_result_does_for_a_simulating_backend(setting: Setting) -> None:
    """A simulating run takes what is really there."""
    run_in(setting)
    setting.backend.simulated = True
    second = run_in(setting, OTHER_RUN)
    assert (True, False) == (second.cached, second.simulated)


def test_the_same_job_twice_at_once_runs_once(setting: Setting) -> None:
    """Of two jobs with one digest at the same time, the second waits and takes the first one's result."""

    async def steps(execution: Execution, run: RunRecord) -> list[bool]:
        await execution.ledger.add_run(OTHER_RUN)
        both = await asyncio.gather(run_job(execution, JOB, run), run_job(execution, JOB, OTHER_RUN))
        return [result.cached for result in both]

    assert [False, True] == setting.use(steps)
    assert 1 == len(setting.backend.executions)


def test_no_more_jobs_are_submitted_at_once_than_there_are_slots(setting: Setting) -> None:
    """With two slots, at most two of ten jobs are in the backend's hands at a time."""
    at_once: list[int] = []
    inside = 0

    class Counting(FolderBackend):
        async def submit(self, submission: Submission) -> RunHandle:
            nonlocal inside
            inside += 1
            at_once.append(inside)
            await asyncio.sleep(0)
            return await super().submit(submission)

        async def cancel(self, handle: RunHandle) -> None:
            raise AssertionError

        async def wait(self, handle: RunHandle, on_progress: Any = None) -> Any:
            nonlocal inside
            result = await super().wait(handle, on_progress)
            inside -= 1
            return result

    async def steps(execution: Execution, run: RunRecord) -> None:
        jobs = [a_prompt_job(item=item, digest=f"{item}") for item in range(10)]
        await asyncio.gather(*(run_job(execution, job, run) for job in jobs))

    setting.backend = Counting(setting.backend.folder)
    setting.use(steps, slots=asyncio.Semaphore(2))
    assert (10, 2) == (len(at_once), max(at_once))


@pytest.mark.parametrize(
    ("point", "error", "attempts", "executions"),
    [
        ("before submit", BackendUnavailable("refused"), [(1, "failed"), (2, "completed")], 1),
        ("before submit", SubmissionUnknown("no reply"), [(1, "completed")], 1),
        ("after submit", SubmissionUnknown("no reply"), [(1, "completed")], 1),
        ("before wait", BackendUnavailable("reset"), [(1, "completed")], 1),
        ("before wait", ServerStateLost("restarted"), [(1, "lost"), (2, "completed")], 2),
        ("fetch", BackendUnavailable("reset"), [(1, "completed")], 1),
    ],
)
def test_faults_of_the_backend_are_got_over(
    setting: Setting, point: str, error: ComfypipeError, attempts: list[tuple[int, str]], executions: int
) -> None:
    """Each fault leads to the right next step: another attempt only where the first cannot be running any more."""
    setting.backend.hook = Fault(point, error)
    assert run_in(setting).cached is False
    assert (attempts, executions) == (statuses(setting), len(setting.backend.executions))


@pytest.mark.parametrize(
    ("point", "error"),
    [("before submit", BackendRejected("too large")), ("after wait", RunFailed("a node failed"))],
)
def test_other_faults_are_final(setting: Setting, point: str, error: ComfypipeError) -> None:
    """What another try cannot mend is raised at once, told, and kept in the ledger."""
    setting.backend.hook = Fault(point, error)
    with pytest.raises(type(error)):
        run_in(setting)
    assert (1, JobFailed("0q3k7f2a0001", "portrait", None, error)) == (len(setting.attempts()), setting.events[-1])
    assert ("failed", error.to_json()) == (setting.jobs()[0].status, setting.jobs()[0].error)


def test_tries_have_an_end(setting: Setting) -> None:
    """After as many tries as the manifest allows the last error is raised."""
    setting.backend.hook = Fault("before submit", BackendUnavailable("refused"), times=99)
    with pytest.raises(BackendUnavailable):
        run_in(setting, job=a_prompt_job(retry=RetrySpec(attempts=2)))
    assert [(1, "failed"), (2, "failed")] == statuses(setting)
    assert 1 == sum(isinstance(event, JobRetried) for event in setting.events)


def test_a_server_that_forgets_costs_an_attempt(setting: Setting) -> None:
    """A backend that loses every run is given up after as many attempts as there may be."""
    setting.backend.hook = Fault("before wait", ServerStateLost("restarted"), times=99)
    with pytest.raises(ServerStateLost):
        run_in(setting)
    assert [(1, "lost"), (2, "lost"), (3, "lost")] == statuses(setting)


def test_a_run_lost_while_the_connection_was_broken_costs_an_attempt(setting: Setting) -> None:
    """When the backend is back and does not know the run, that is a fault of its own, then comes another attempt."""
    prompts = setting.backend.folder / "prompts"

    def restart(point: str, prompt_id: str) -> None:
        if point == "before wait" and len(setting.backend.submissions) == 1:
            (prompts / f"{prompt_id}.json").unlink()
            raise BackendUnavailable("reset")

    setting.backend.hook = restart
    run_in(setting)
    assert [(1, "lost"), (2, "completed")] == statuses(setting)
    retried = [type(event.error).__name__ for event in setting.events if isinstance(event, JobRetried)]
    assert ["BackendUnavailable", "ServerStateLost"] == retried


def memory_job(*accelerators: str) -> Job:
    """Return a job that needs an A100."""
    prompt = {
        "1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "p"}},
        "2": {"class_type": "NeedsMemory", "inputs": {"accelerator": "A100"}},
    }
    return a_prompt_job(prompt, accelerator=accelerators)


def test_out_of_memory_moves_on_to_the_next_accelerator(setting: Setting) -> None:
    """The next attempt wants what is left of the manifest's list."""
    run_in(setting, job=memory_job("L4", "A100", "H100"))
    assert [("L4", "A100", "H100"), ("A100", "H100")] == [each.accelerator for each in setting.backend.submissions]
    assert [["L4", "A100", "H100"], ["A100", "H100"]] == [each.accelerator for each in setting.attempts()]


def test_out_of_memory_drops_the_accelerator_that_was_used(setting: Setting) -> None:
    """A backend that does not know the first choice took the second: that one is not tried again."""
    setting.backend.knows = ("L4", "A100")
    run_in(setting, job=memory_job("H200", "L4", "A100"))
    assert [("H200", "L4", "A100"), ("H200", "A100")] == [each.accelerator for each in setting.backend.submissions]


@pytest.mark.parametrize("accelerators", [(), ("L4",)])
def test_out_of_memory_on_the_last_accelerator_is_final(setting: Setting, accelerators: tuple[str, ...]) -> None:
    """Where the manifest names no larger one, another try would end the same."""
    with pytest.raises(OutOfMemory):
        run_in(setting, job=memory_job(*accelerators))
    assert 1 == len(setting.backend.submissions)


def test_a_run_cancelled_on_the_server_is_not_tried_again(setting: Setting) -> None:
    """Somebody wanted it to stop: the job is cancelled, not failed."""
    setting.backend.hook = Fault("after wait", RunCancelled("was cancelled"))
    with pytest.raises(RunCancelled):
        run_in(setting)
    assert (1, "cancelled") == (len(setting.attempts()), setting.jobs()[0].status)


def test_an_open_attempt_of_a_dead_process_is_waited_for(setting: Setting) -> None:
    """A run that is resumed joins what was submitted before, and does not submit it again."""
    setting.use(lambda execution, run: submit(execution, JOB, run))
    result = run_in(setting, new=False)
    assert (False, 1, [(1, "completed")]) == (result.cached, len(setting.backend.executions), statuses(setting))


def test_an_attempt_that_died_with_its_backend_is_made_anew(setting: Setting) -> None:
    """An in-process backend dies with its process: the next attempt follows at once, and costs no try."""
    setting.use(lambda execution, run: submit(execution, JOB, run))
    for folder in ("prompts", "results"):
        for path in (setting.backend.folder / folder).iterdir():
            path.unlink()
    run_in(setting, new=False, job=a_prompt_job(retry=RetrySpec(attempts=1)))
    assert [(1, "lost"), (2, "completed")] == statuses(setting)


def test_cancelling_a_job_between_tries_leaves_nothing_open(setting: Setting) -> None:
    """Cancelled while it waits for its next try, a job whose attempt may still run has it withdrawn."""
    setting.backend.hold = True
    setting.backend.hook = Fault("before wait", BackendUnavailable("reset"))

    async def steps(execution: Execution, run: RunRecord) -> None:
        task = asyncio.current_task()
        assert task is not None

        def stop(event: Event) -> None:
            if isinstance(event, JobRetried):
                task.cancel()

        await run_job(replace(execution, listener=stop), JOB, run)

    with pytest.raises(asyncio.CancelledError):
        setting.use(steps)
    assert [(1, "cancelled")] == statuses(setting)


def test_what_was_cancelled_while_it_was_collected_is_collected_by_the_next_run(setting: Setting) -> None:
    """An attempt that has run is not run again because its files were not fetched in time."""
    setting.backend.hook = Fault("fetch", asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        run_in(setting)
    assert [(1, "submitted")] == statuses(setting)
    next_run = replace(a_run("0q3k7f2a0002"), continues=a_run().id, origin=a_run().id)
    assert run_in(setting, next_run).cached is False
    assert (1, ["completed"]) == (
        len(setting.backend.executions),
        [each.status for each in setting.attempts(next_run)],
    )
