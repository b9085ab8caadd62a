"""Whether a batch can run at all: its first rows are planned before anything is submitted."""

from comfypipe.batch.request import BatchRequest
from comfypipe.batch.rows import RowSource
from comfypipe.batch.scratch import Scratch
from comfypipe.errors import ComfypipeError
from comfypipe.execution.context import Execution
from comfypipe.execution.project import Project

_ROWS = 3
"""Rows that are planned: one may be odd, three that are all refused are not what is wrong."""


async def try_first_rows(
    project: Project, execution: Execution, request: BatchRequest, source: RowSource, scratch: Scratch, after: int = 0
) -> None:
    """
    Plan the first rows, and let the batch begin when one of them can run.

    Raises:
        ComfypipeError: None of them can: a node that the backend lacks, a template that cannot be rendered.
    """
    entries = [each for each in scratch.rows(after, _ROWS) if each.invalid is None]
    errors: list[ComfypipeError] = []
    for entry in entries:
        row = next(source.rows(entry.number, entry.place))
        try:
            await project.plan(execution, request.name, row.given, preset=request.preset)
        except ComfypipeError as error:
            errors.append(error)
        else:
            return
    if errors:
        raise errors[0]
