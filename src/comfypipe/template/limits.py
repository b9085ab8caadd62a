"""What rendering a template may cost."""

from msgspec import Struct


class Limits(Struct, frozen=True):
    """
    The most that one rendering may take.

    Attributes:
        time_s: Seconds, by the clock.
        size: Characters that it may write, and that any one value may hold. A tag, a turn of a loop and an item of a
            list take some too: 32, 32 and 16.
        depth: Macros, includes and recursive loops within each other.
    """

    time_s: float = 5.0
    size: int = 16 * 1024 * 1024
    depth: int = 40
