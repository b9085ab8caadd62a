"""What those are told who wait for a run: in order, and nothing twice."""

from collections.abc import Callable

from comfypipe.backends.base import NodeProgress, OnProgress, RunStatus

_ORDER = ("queued", "started")


class Telling:
    """
    Tells of one run: first that it is queued, then that it has started, then of its nodes.

    The status comes from polls, nodes from a stream of events that may be ahead of them.
    """

    def __init__(self, prompt_id: str, on_progress: OnProgress | None) -> None:
        self.prompt_id = prompt_id
        self._on_progress: Callable[[NodeProgress], None] = on_progress or _nobody
        self._told = 0

    def status(self, status: RunStatus | None) -> None:
        """Tell where the run is, as far as that is news."""
        self._until(1 if status in (RunStatus.QUEUED, RunStatus.CANCELLED) else 2)

    def node(self, progress: NodeProgress) -> None:
        """Tell of a node."""
        self._until(2)
        self._on_progress(progress)

    def _until(self, count: int) -> None:
        for state in _ORDER[self._told : count]:
            self._told += 1
            self._on_progress(NodeProgress(self.prompt_id, state))


def _nobody(_progress: NodeProgress) -> None:
    pass
