"""One job on a fleet: what execution makes of servers that run out of memory, or are lost."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.unit.execution.folder_backend import Fault, FolderBackend
from tests.unit.execution.setting import SAVE, Setting, a_prompt_job

from comfypipe._types import JSONObject
from comfypipe.backends.comfyui.fleet import FleetBackend
from comfypipe.backends.comfyui.health import FleetTiming
from comfypipe.backends.comfyui.member import Server
from comfypipe.backends.registry import BackendPool
from comfypipe.errors import ServerStateLost
from comfypipe.execution.job import JobResult, run_job
from comfypipe.plan.steps import Job
from comfypipe.project import ProjectLayout


@pytest.fixture
def servers(tmp_path: Path) -> tuple[FolderBackend, FolderBackend]:
    """Return two servers, each with a folder of its own."""
    return FolderBackend(tmp_path / "small", url="folder:small"), FolderBackend(tmp_path / "large", url="folder:large")


def run_on(setting: Setting, servers: Sequence[FolderBackend], job: Job) -> JobResult:
    """Run a job on the fleet of these servers, the first of which is an L4 and the second an H100."""
    members = [Server(each, each.url, name) for each, name in zip(servers, ("L4", "H100"), strict=True)]
    fleet = FleetBackend(members, timing=FleetTiming(lost_s=0.2, first_probe_s=0.01))
    pool = BackendPool(ProjectLayout(setting.root), lambda _url, _layout: fleet)
    return setting.use(lambda execution, record: run_job(execution, job, record), backends=pool)


def test_out_of_memory_goes_to_a_server_with_the_next_accelerator(
    setting: Setting, servers: tuple[FolderBackend, FolderBackend]
) -> None:
    """The first attempt fails on the first choice; the second one runs on the second."""
    prompt: JSONObject = {**SAVE, "2": {"class_type": "NeedsMemory", "inputs": {"accelerator": "H100"}}}
    result = run_on(setting, servers, a_prompt_job(prompt, accelerator=("L4", "H100")))
    assert not result.cached
    made = [(each.number, each.status, each.server, each.accelerator) for each in setting.attempts()]
    assert [(1, "failed", "folder:small", ["L4", "H100"]), (2, "completed", "folder:large", ["H100"])] == made


def test_lost_run_is_tried_on_another_server(setting: Setting, servers: tuple[FolderBackend, FolderBackend]) -> None:
    """The attempt is lost with its server; the next one, under another id, completes elsewhere."""
    servers[0].hook = Fault("before wait", ServerStateLost("it was restarted"))
    run_on(setting, servers, a_prompt_job(accelerator=("L4", "H100")))
    (first, second) = setting.attempts()
    assert ("lost", "completed") == (first.status, second.status)
    assert first.prompt_id != second.prompt_id
    assert "folder:small" == first.server
