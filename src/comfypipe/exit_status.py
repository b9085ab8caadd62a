"""What the process exit status means, in one place."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit status of the command line, by kind of outcome."""

    OK = 0
    RUN_FAILED = 1
    USAGE = 2
    INVALID = 3
    """A manifest, template or prompt is invalid."""
    UNAVAILABLE = 4
    """The backend cannot be reached or refuses us."""
    TIMED_OUT = 5
    INTERRUPTED = 130
