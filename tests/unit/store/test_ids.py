"""Names of runs, jobs and attempts."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from comfypipe.store.ids import job_id, new_run_id, prompt_id

JOB = job_id("0q3k7f2ax2mp", "cutout", None, "d" * 64)


@given(st.lists(st.integers(1_704_067_200_000, 2_700_000_000_000), unique=True))
def test_run_ids_sort_by_age(times_ms: list[int]) -> None:
    """The order of ids is the order in which the runs were made."""
    ids = {time_ms: new_run_id(time_ms) for time_ms in times_ms}
    assert [ids[time_ms] for time_ms in sorted(times_ms)] == sorted(ids.values())


def test_run_ids_are_short_and_distinct() -> None:
    """Ten thousand runs of one millisecond have a name each, in 16 letters and digits."""
    ids = {new_run_id(1_800_000_000_000) for _ in range(10_000)}
    assert 10_000 == len(ids)
    assert {16} == {len(each) for each in ids}
    assert all(each.isalnum() and each == each.lower() for each in ids)


def test_a_resumed_run_names_its_jobs_and_attempts_as_before() -> None:
    """The name of a job follows from run, step, item and digest; that of an attempt from job and number."""
    assert job_id("0q3k7f2ax2mp", "cutout", None, "d" * 64) == JOB
    assert prompt_id(JOB, 1) == prompt_id(JOB, 1)


def test_jobs_and_attempts_do_not_share_names() -> None:
    """Another run, step, item, digest or number is another name."""
    jobs = {
        JOB,
        job_id("0q3k7f2ax2mq", "cutout", None, "d" * 64),
        job_id("0q3k7f2ax2mp", "cutouts", None, "d" * 64),
        job_id("0q3k7f2ax2mp", "cutout", 0, "d" * 64),
        job_id("0q3k7f2ax2mp", "cutout", None, "e" * 64),
    }
    assert len(jobs) == 5
    assert prompt_id(JOB, 1) != prompt_id(JOB, 2)


def test_a_prompt_id_is_a_canonical_uuid() -> None:
    """Servers refuse ids that are not lowercase hyphenated UUIDs."""
    assert str(uuid.UUID(prompt_id(JOB, 1))) == prompt_id(JOB, 1)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 1_000))
def test_names_are_the_uuids_of_rfc_4122(job: str, number: int) -> None:
    """An attempt has the version 5 UUID of its job and number, as any library makes it."""
    namespace = uuid.UUID("6f6e8f5c-51a3-4d5c-9b8e-5d0f3c1a7e42")
    assert str(uuid.uuid5(namespace, f"{job}/{number}")) == prompt_id(job, number)
