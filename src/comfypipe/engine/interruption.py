"""Stopping a run from another thread."""

from threading import Event


class Interrupted(BaseException):
    """The run was asked to stop. Not an `Exception`: a node that catches everything must not swallow it."""


class Interruption:
    """A request to stop one run, which the run looks at before each node and whenever a node reports progress."""

    def __init__(self) -> None:
        self._requested = Event()

    @property
    def requested(self) -> bool:
        """Whether the run is to stop."""
        return self._requested.is_set()

    def request(self) -> None:
        """Ask the run to stop as soon as it can."""
        self._requested.set()

    def wait(self, seconds: float) -> None:
        """
        Return after so many seconds.

        Raises:
            Interrupted: The run is to stop: at once, not at the end.
        """
        self._requested.wait(seconds)
        self.check()

    def check(self) -> None:
        """
        Return, unless the run is to stop.

        Raises:
            Interrupted: It is.
        """
        if self._requested.is_set():
            raise Interrupted
