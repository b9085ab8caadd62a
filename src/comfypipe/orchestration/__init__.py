"""Prefect: flows whose parameters are a manifest's inputs, tasks, blocks. Only here is Prefect imported."""

from comfypipe.orchestration.approval import Approval, approval
from comfypipe.orchestration.batch import BatchReport
from comfypipe.orchestration.blocks import ComfyICUCredentials
from comfypipe.orchestration.flows import cancel_runs, flow
from comfypipe.orchestration.rows import Chunk
from comfypipe.orchestration.session import open_project
from comfypipe.orchestration.stages import Rendered, Submitted
from comfypipe.orchestration.tasks import collect, find_chunks, render, run_chunk, run_workflow, submit, wait

__all__ = [
    "Approval",
    "BatchReport",
    "Chunk",
    "ComfyICUCredentials",
    "Rendered",
    "Submitted",
    "approval",
    "cancel_runs",
    "collect",
    "find_chunks",
    "flow",
    "open_project",
    "render",
    "run_chunk",
    "run_workflow",
    "submit",
    "wait",
]
