"""Submitting once: intents, lost replies, and what is sent."""

import asyncio
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.execution.folder_backend import Fault
from tests.unit.execution.setting import IMPATIENT, Setting, a_prompt_job
from tests.unit.store.builders import a_run

from comfypipe.errors import BackendRejected, BackendUnavailable, SubmissionUnknown
from comfypipe.execution.context import Execution, now_ms
from comfypipe.execution.events import JobQueued
from comfypipe.execution.submit import Attempt, job_record, key_of, rejoin, submit, withdraw
from comfypipe.manifest.values import FileValue
from comfypipe.plan.steps import PlacedFile
from comfypipe.store.ids import prompt_id
from comfypipe.store.records import AttemptRecord, RunRecord

JOB = a_prompt_job()
FIRST = prompt_id(key_of(JOB, a_run()), 1)
LOST = SubmissionUnknown("the reply was lost")


async def submit_job(execution: Execution, run: RunRecord) -> Attempt:
    """Submit the job."""
    return await submit(execution, JOB, run)


async def rejoin_last(execution: Execution, run: RunRecord) -> Attempt | None:
    """Take up the last attempt at the job."""
    return await rejoin(execution, JOB, run, (await execution.ledger.attempts(run.id))[-1])


def statuses(setting: Setting) -> list[str]:
    """Return what became of each attempt."""
    return [attempt.status for attempt in setting.attempts()]


def test_the_intent_is_stored_before_anything_is_sent(setting: Setting) -> None:
    """When the backend is reached, the ledger has the attempt already."""
    seen: list[tuple[str, str]] = []

    def look(point: str, _prompt_id: str) -> None:
        if point == "before submit":
            with closing(sqlite3.connect(setting.root / "ledger.sqlite")) as connection:
                seen.extend(connection.execute("SELECT prompt_id, status FROM attempts"))

    setting.backend.hook = look
    setting.use(submit_job)
    assert [(FIRST, "intended")] == seen


def test_who_took_it_is_stored(setting: Setting) -> None:
    """After a submission the ledger has the server, its own id of the run, and where it went."""
    attempt = setting.use(submit_job)
    stored = setting.attempts()[0]
    assert ("submitted", "folder-1", FIRST[:8], "folder:") == (
        stored.status,
        stored.server,
        stored.remote_id,
        stored.backend,
    )
    assert (FIRST, 1, "folder:") == (attempt.prompt_id, attempt.number, attempt.backend)


def test_progress_hears_of_it(setting: Setting) -> None:
    """Whoever listens is told which nodes there are."""
    setting.use(submit_job)
    queued = JobQueued("0q3k7f2a0001", "portrait", None, FIRST, 1, "folder:", {"1": "SaveImage"}, "folder-1")
    assert [queued] == setting.events


def test_file_names_are_the_attempts_own(setting: Setting) -> None:
    """Literal prefixes are put below a folder of the attempt; linked ones, and the job's prompt, stay."""
    prompt = {
        "1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "a/b", "images": ["2", 0]}},
        "2": {"class_type": "SaveImage", "inputs": {"filename_prefix": ["3", 0]}, "_meta": {"title": "x"}},
        "3": {"class_type": "Text", "inputs": {"text": "filename_prefix"}},
    }
    job = a_prompt_job(prompt)
    setting.backend.hold = True
    attempt = setting.use(lambda execution, run: submit(execution, job, run))
    sent = setting.backend.submissions[0].prompt
    assert f"comfypipe/{attempt.prompt_id}/a/b" == sent["1"]["inputs"]["filename_prefix"]
    assert (prompt["2"], prompt["3"]) == (sent["2"], sent["3"])
    assert "a/b" == setting.jobs()[0].prompt["1"]["inputs"]["filename_prefix"]


def test_files_accelerators_and_origin_are_sent(setting: Setting, tmp_path: Path) -> None:
    """A submission has its files with place, digest and path, the accelerators, and the run for the metadata."""
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"photo")
    placed = PlacedFile("input/comfypipe/ab/photo.png", FileValue("photo.png", "image", photo, sha256="ab"))
    job = a_prompt_job(files=(placed,), accelerator=("L4", "A100"))
    setting.use(lambda execution, run: submit(execution, job, run, accelerator=("A100",)))
    sent = setting.backend.submissions[0]
    assert [("input/comfypipe/ab/photo.png", "ab", photo)] == [(f.name, f.sha256, f.path) for f in sent.files]
    assert ("A100",) == sent.accelerator
    assert {"comfypipe": {"run": "0q3k7f2a0001", "workflow": "portrait", "digest": "d" * 64}} == sent.extra_pnginfo


def test_a_lost_reply_is_looked_into(setting: Setting) -> None:
    """When the reply is lost but the prompt arrived, it is taken up and not sent again."""
    setting.backend.hook = Fault("after submit", LOST)
    assert FIRST == setting.use(submit_job).prompt_id
    assert ([FIRST], ["submitted"]) == (setting.backend.executions, statuses(setting))


def test_a_prompt_that_did_not_arrive_is_sent_again_under_the_same_id(setting: Setting) -> None:
    """When the backend knows nothing of it after a time of grace, the same attempt is sent once more."""
    setting.backend.hook = fault = Fault("before submit", LOST)
    assert FIRST == setting.use(submit_job).prompt_id
    assert (["before submit", "find", "find", "before submit"], [FIRST]) == (
        fault.passed[:4],
        setting.backend.executions,
    )


def test_a_prompt_that_shows_late_is_not_sent_again(setting: Setting) -> None:
    """A server that is still checking the prompt shows it at the second look: nothing is posted twice."""
    setting.backend.hold = True
    place = setting.backend.folder / "prompts" / f"{FIRST}.json"
    aside = setting.root / "aside"
    looks = 0

    def late(point: str, _prompt_id: str) -> None:
        nonlocal looks
        if point == "after submit":
            place.rename(aside)
            raise LOST
        if point == "find":
            looks += 1
            if looks == 2:
                aside.rename(place)

    setting.backend.hook = late
    setting.use(submit_job)
    assert (1, 2) == (len(setting.backend.submissions), looks)


def test_the_time_of_grace_begins_with_the_first_look(setting: Setting) -> None:
    """However long ago the intent was stored: its files may have been on their way until the process died."""
    asked: list[float] = []

    def look(point: str, _prompt_id: str) -> None:
        if point == "find":
            asked.append(time.monotonic())

    async def take_up(execution: Execution, run: RunRecord) -> None:
        intended = AttemptRecord(FIRST, key_of(JOB, run), 1, backend="folder:", created_ms=now_ms() - 3_600_000)
        await execution.ledger.intend(job_record(execution, JOB, run), intended)
        await rejoin_last(execution, run)

    setting.backend.hook = look
    setting.use(take_up)
    assert IMPATIENT.grace_s <= asked[1] - asked[0]
    assert ([FIRST], [True]) == (setting.backend.executions, [each.again for each in setting.backend.submissions])


def test_a_backend_that_never_answers_is_given_up(setting: Setting) -> None:
    """After three posts of the same attempt, none of which arrived, the attempt counts as lost."""
    setting.backend.hook = fault = Fault("before submit", LOST, times=9)
    with pytest.raises(SubmissionUnknown):
        setting.use(submit_job)
    assert (3, ["lost"]) == (fault.passed.count("before submit"), statuses(setting))


def test_an_attempt_stays_open_while_nobody_can_be_asked(setting: Setting) -> None:
    """A lost reply from a backend that then cannot be reached decides nothing: the ledger keeps the attempt open."""
    down = BackendUnavailable("down")

    def fail(point: str, _prompt_id: str) -> None:
        if point == "after submit":
            raise LOST
        if point == "find":
            raise down

    setting.backend.hook = fail
    with pytest.raises(BackendUnavailable):
        setting.use(submit_job)
    assert ["intended"] == statuses(setting)


def test_a_refusal_is_kept(setting: Setting) -> None:
    """An attempt that the backend refuses has failed, with the reason."""
    setting.backend.hook = Fault("before submit", BackendRejected("too large", hint="make it smaller"))
    with pytest.raises(BackendRejected):
        setting.use(submit_job)
    stored = setting.attempts()[0]
    assert ("failed", "too large") == (stored.status, (stored.error or {})["message"])


def test_an_attempt_of_a_dead_process_is_joined(setting: Setting) -> None:
    """What the backend knows is taken up as it is, and nothing is sent."""
    setting.use(submit_job)
    joined = setting.use(rejoin_last, new=False)
    assert FIRST == (joined.prompt_id if joined else None)
    assert (1, [FIRST]) == (len(setting.backend.submissions), setting.backend.executions)


def test_an_intent_that_was_never_sent_is_sent_under_its_id(setting: Setting) -> None:
    """A process that died between intent and submission leaves an attempt that the next one sends."""
    setting.backend.hook = Fault("before submit", asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        setting.use(lambda execution, run: submit(replace(execution, patience=IMPATIENT), JOB, run))
    setting.use(
        lambda execution, _run: execution.ledger.update_attempt(FIRST, status="intended", ended_ms=None), new=False
    )
    joined = setting.use(rejoin_last, new=False)
    assert (FIRST, [FIRST]) == (joined.prompt_id if joined else None, setting.backend.executions)


def test_a_confirmed_attempt_that_is_unknown_now_is_lost(setting: Setting) -> None:
    """A server that lost its state does not get the same attempt again: the next one has another number."""
    setting.use(submit_job)
    (setting.backend.folder / "prompts" / f"{FIRST}.json").unlink()
    assert setting.use(rejoin_last, new=False) is None
    assert ["lost"] == statuses(setting)


def test_a_cancelled_submission_does_not_run_on(setting: Setting) -> None:
    """Cancelled while the reply is awaited: the backend is told to stop what arrived, and the ledger knows."""
    setting.backend.hold = True
    setting.backend.hook = Fault("after submit", asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        setting.use(submit_job)
    assert ([FIRST], ["cancelled"]) == (setting.backend.cancelled, statuses(setting))


def test_a_backend_that_cannot_be_told_to_stop_leaves_it_open(setting: Setting) -> None:
    """When the withdrawal does not reach the backend, the attempt stays open, with the reason: it may run on."""
    setting.backend.hold = True
    attempt = setting.use(submit_job)
    setting.backend.hook = Fault("cancel", BackendUnavailable("down"))
    setting.use(lambda execution, _run: withdraw(execution, attempt), new=False)
    stored = setting.attempts()[0]
    assert ("submitted", "down") == (stored.status, (stored.error or {})["message"])
