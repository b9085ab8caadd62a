"""
For tests of backends and pipelines, the project's own and yours.

A contract that every place where prompts run has to keep::

    class TestMine(BackendContract):
        @pytest.fixture
        def backend(self, tmp_path: Path) -> Backend:
            return MyBackend(tmp_path)

The prompts use core nodes of ComfyUI that need no model, so that any server can run them. Needs pytest and Pillow.
"""

from comfypipe.testing.contract import BackendContract
from comfypipe.testing.prompts import node, picture_prompt, slow_prompt, unique_prefix
from comfypipe.testing.runs import fetched, run, submission

__all__ = [
    "BackendContract",
    "fetched",
    "node",
    "picture_prompt",
    "run",
    "slow_prompt",
    "submission",
    "unique_prefix",
]
