"""Work that is done where it is asked for when it is short: waking a thread takes longer than a small prompt does."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from comfypipe.manifest.schema import AudioInput, FileInput, ImageInput, ListInput, MaskInput, VideoInput, WorkflowSpec

T = TypeVar("T")

_QUICK_S = 0.003
"""So long the event loop may be kept from other work."""

_FILES = (ImageInput, MaskInput, VideoInput, AudioInput, FileInput)


class Quick:
    """
    Makes plans, each workflow's in place when the last one of it was made quickly.

    The first one is made in a thread: a template may have to be read and compiled. So is every one that may have to
    look into files, which are of any size.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    async def make(self, name: str, spec: object, make: Callable[[], T]) -> T:
        """
        Return what *make* gives.

        Args:
            name: Of the workflow or pipeline, one of a project's.
            spec: What its manifest declares.
        """
        if self._seconds.get(name, _QUICK_S) < _QUICK_S:
            return self._timed(name, make, time.perf_counter)
        if not isinstance(spec, WorkflowSpec) or _looks_into_files(spec):
            return await asyncio.to_thread(make)
        return await asyncio.to_thread(self._timed, name, make, time.thread_time)  # others may hold the lock meanwhile

    def _timed(self, name: str, make: Callable[[], T], clock: Callable[[], float]) -> T:
        started = clock()
        made = make()
        self._seconds[name] = clock() - started
        return made


def _looks_into_files(spec: WorkflowSpec) -> bool:
    kinds = [each.items if isinstance(each, ListInput) else each for each in spec.inputs.values()]
    return bool(spec.files) or any(isinstance(each, _FILES) for each in kinds)
