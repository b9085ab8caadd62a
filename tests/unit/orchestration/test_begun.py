"""Begun runs: noted from their beginning to their end."""

from pathlib import Path
from uuid import uuid4

import pytest

from comfypipe.execution.events import RunFinished, RunStarted
from comfypipe.orchestration.begun import BegunRuns
from comfypipe.project import ProjectLayout


def test_a_run_is_noted_until_it_ends(tmp_path: Path) -> None:
    """Another process finds what was begun and did not end; when all has ended nothing is left on the disk."""
    layout, flow_run_id = ProjectLayout(tmp_path), uuid4()
    begun = BegunRuns.of(layout, flow_run_id)
    begun(RunStarted("a1", "n", ()))
    begun(RunStarted("b2", "n", ()))
    assert ("a1", "b2") == BegunRuns.of(layout, flow_run_id).ids()
    begun(RunFinished("a1", "completed"))
    assert ("b2",) == BegunRuns.of(layout, flow_run_id).ids()
    begun(RunFinished("b2", "failed"))
    begun.forget("b2")
    assert ((), False) == (begun.ids(), begun.folder.exists())


@pytest.mark.parametrize("name", ["", "../x", "a/b", "x y"])
def test_only_ids_of_flow_runs_name_a_folder(tmp_path: Path, name: str) -> None:
    """What is no id cannot lead elsewhere."""
    with pytest.raises(ValueError, match="no id of a flow run"):
        BegunRuns.of(ProjectLayout(tmp_path), name)
