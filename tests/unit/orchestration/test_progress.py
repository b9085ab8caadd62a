"""Progress: how much of a run is done."""

from comfypipe.errors import RunFailed
from comfypipe.execution.events import (
    Event,
    JobFailed,
    JobFinished,
    RunFinished,
    RunStarted,
    StepFinished,
    StepSkipped,
    StepStarted,
)
from comfypipe.orchestration.progress import Tally


def percents(*events: Event) -> list[float]:
    """Return the progress after each event."""
    tally = Tally()

    def after(event: Event) -> float:
        tally(event)
        return tally.percent

    return [after(event) for event in events]


def test_every_step_weighs_the_same() -> None:
    """A step counts by its jobs that have ended, well or not; one that is skipped is done."""
    assert [0, 0, 12.5, 25, 50, 50, 75, 75, 100, 100] == percents(
        RunStarted("r", "n", ("a", "b", "c", "d")),
        StepStarted("r", "a", 2),
        JobFinished("r", "a", 0, cached=True),
        JobFailed("r", "a", 1, RunFailed("no")),
        StepSkipped("r", "b"),
        StepStarted("r", "c", 1),
        JobFinished("r", "c", None, cached=False),
        StepFinished("r", "c", "completed"),
        StepFinished("r", "d", "cancelled"),
        RunFinished("r", "failed"),
    )


def test_a_run_that_has_not_begun_is_at_nothing() -> None:
    """Before the first event there is no progress."""
    assert 0 == Tally().percent
