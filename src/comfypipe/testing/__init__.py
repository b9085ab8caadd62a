"""
For tests of backends and pipelines, the project's own and yours.

A contract that every place where prompts run has to keep::

    class TestMine(BackendContract):
        @pytest.fixture
        def backend(self, tmp_path: Path) -> Backend:
            return MyBackend(tmp_path)

Its prompts use core nodes of ComfyUI that need no model, so that any server can run them. Needs pytest and Pillow.

Servers to talk to, which play the faults of real ones (`engine_server`, `engine_process`), and a proxy that breaks
connections (`fault_proxy`)::

    with engine_server(faults=["lost-reply=once"]) as server:
        project.run("portrait", {}, backend=server.url)
        assert 1 == server.times_executed(prompt)

A runs API like ComfyICU's, with its quirks (`runs_api`)::

    with runs_api(quirks=Quirks(lost_replies=1)) as api:
        project.run("portrait", {}, backend=api.backend_url)  # the key is api.key
"""

from comfypipe.engine.server.faults.executions import Executions, prompt_digest
from comfypipe.engine.server.faults.faults import Faults
from comfypipe.testing.contract import BackendContract
from comfypipe.testing.prompts import node, picture_prompt, slow_prompt, unique_prefix
from comfypipe.testing.proxy import BlackHole, Delay, FaultProxy, Refuse, Reset, Truncate, fault_proxy
from comfypipe.testing.runs import fetched, run, submission
from comfypipe.testing.runs_api import Quirks, RunsApi, runs_api
from comfypipe.testing.servers import EngineProcess, EngineServer, engine_process, engine_server

__all__ = [
    "BackendContract",
    "BlackHole",
    "Delay",
    "EngineProcess",
    "EngineServer",
    "Executions",
    "FaultProxy",
    "Faults",
    "Quirks",
    "Refuse",
    "Reset",
    "RunsApi",
    "Truncate",
    "engine_process",
    "engine_server",
    "fault_proxy",
    "fetched",
    "node",
    "picture_prompt",
    "prompt_digest",
    "run",
    "runs_api",
    "slow_prompt",
    "submission",
    "unique_prefix",
]
