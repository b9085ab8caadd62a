"""Prefect: flows whose parameters are a manifest's inputs, tasks, blocks. Only here is Prefect imported."""

from comfypipe.orchestration.approval import Approval, approval
from comfypipe.orchestration.batch import BatchReport, BegunBatch, Chunk
from comfypipe.orchestration.blocks import ComfyICUCredentials
from comfypipe.orchestration.flows import cancel_runs, flow
from comfypipe.orchestration.session import open_project
from comfypipe.orchestration.stages import Rendered, Submitted
from comfypipe.orchestration.tasks import (
    begin_batch,
    collect,
    end_batch,
    render,
    run_batch,
    run_chunk,
    run_workflow,
    submit,
    wait,
)

__all__ = [
    "Approval",
    "BatchReport",
    "BegunBatch",
    "Chunk",
    "ComfyICUCredentials",
    "Rendered",
    "Submitted",
    "approval",
    "begin_batch",
    "cancel_runs",
    "collect",
    "end_batch",
    "flow",
    "open_project",
    "render",
    "run_batch",
    "run_chunk",
    "run_workflow",
    "submit",
    "wait",
]
