"""Downloads while they go on: bars on a terminal, a line at every quarter elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from comfypipe.cli.console import Console

if TYPE_CHECKING:
    from comfypipe.downloads.transfer import DownloadProgress, OnProgress

_QUARTERS = 4


@contextmanager
def watching_downloads(console: Console) -> "Iterator[OnProgress]":
    """Show downloads on stderr for as long as the block lasts; yields what is told of their progress."""
    if console.live:
        with _bars() as tell:
            yield tell
    else:
        yield _lines(console.say)


def _lines(say: Callable[[str], None]) -> "OnProgress":
    told: dict[str, int] = {}

    def tell(progress: "DownloadProgress") -> None:
        if not progress.total_bytes:
            return
        quarter = progress.received_bytes * _QUARTERS // progress.total_bytes
        if quarter > told.get(progress.url, 0):
            told[progress.url] = quarter
            of = f"{progress.received_bytes / 1e6:.1f} of {progress.total_bytes / 1e6:.1f} MB"
            say(f"{progress.url}: {of}")

    return tell


@contextmanager
def _bars() -> "Iterator[OnProgress]":
    from rich.console import Console as Terminal
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Terminal(stderr=True)) as bars:
        tasks: dict[str, object] = {}

        def tell(progress: "DownloadProgress") -> None:
            if progress.url not in tasks:
                tasks[progress.url] = bars.add_task(progress.url.rsplit("/", 1)[-1])
            task = tasks[progress.url]
            bars.update(task, completed=progress.received_bytes, total=progress.total_bytes)  # type: ignore[arg-type]

        yield tell
