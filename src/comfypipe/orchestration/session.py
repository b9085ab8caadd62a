"""The project that the tasks of a flow work with: opened once for the flow, found by each task."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TypeAlias

from comfypipe.execution.project import Project
from comfypipe.orchestration.credentials import opener_of
from comfypipe.project import ProjectLayout

Place: TypeAlias = Project | ProjectLayout | Path | str | None
"""A project, or where one is: its root or a folder in it. None stands for the working directory."""

_current: ContextVar[Project | None] = ContextVar("comfypipe_project", default=None)


def layout_of(place: Place) -> ProjectLayout:
    """
    Return the project that *place* stands for.

    Raises:
        ProjectNotFound: There is none.
    """
    if isinstance(place, Project):
        return place.layout
    return place if isinstance(place, ProjectLayout) else ProjectLayout.find(Path(place) if place else None)


@asynccontextmanager
async def open_project(place: Place = None) -> AsyncIterator[Project]:
    """
    Open a project for the length of the block: every task that is called in it works with this one.

    Tasks that pass a run on to each other need it, where the backend is in this process: it ends with the block. A
    project that is open already, here or by the caller, is used as it is, and left open.

    Raises:
        ProjectNotFound: There is none.
    """
    current = _current.get()
    if current is not None and (place is None or layout_of(place).root == current.layout.root):
        yield current
        return
    project = place if isinstance(place, Project) else await _opened(layout_of(place))
    token = _current.set(project)
    try:
        yield project
    finally:
        _current.reset(token)
        if project is not place:
            await project.close()


async def _opened(layout: ProjectLayout) -> Project:
    return Project(layout, opener=await opener_of(layout))


def is_open() -> bool:
    """Whether a project is open here, that outlives a single task."""
    return _current.get() is not None
