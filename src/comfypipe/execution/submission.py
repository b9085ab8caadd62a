"""What is sent for an attempt: the job's prompt, with file names that are the attempt's own."""

from collections.abc import Mapping
from typing import Any

from comfypipe._types import JSONObject
from comfypipe.backends.base import InputFile, Submission
from comfypipe.plan.steps import Job
from comfypipe.store.records import AttemptRecord, RunRecord

_MARK = "comfypipe_attempt"


def submission_of(job: Job, run: RunRecord, record: AttemptRecord, *, again: bool = False) -> Submission:
    """Return what is sent for an attempt at *job*, for the first time or *again*."""
    prompt = own_prefixes(job.prompt, record.prompt_id)
    return Submission(
        prompt_id=record.prompt_id,
        prompt=prompt if record.number == 1 else made_anew(prompt, record.prompt_id),
        files=tuple(
            InputFile(placed.name, sha256=placed.file.sha256, path=placed.file.path, url=placed.file.url)
            for placed in job.files
        ),
        accelerator=tuple(record.accelerator),
        extra_pnginfo={"comfypipe": {"run": run.id, "workflow": job.workflow, "digest": job.digest}},
        models=None if job.undeclared else tuple(model.path for model in job.models),
        model_files=tuple(
            InputFile(model.path, sha256=model.sha256, url=model.url) for model in job.models if model.url is not None
        ),
        again=again,
    )


def own_prefixes(prompt: JSONObject, own: str) -> JSONObject:
    """
    Return the prompt with every literal ``filename_prefix`` put below ``comfypipe/<own>/``.

    Servers cache by content, and answer a run that is wholly cached with the names of the earlier files, gone or not;
    and two runs at once count up the same names. A prefix of its own makes each attempt save its own files. It is no
    part of the job's digest.
    """
    return {node_id: _own_prefix(node, f"comfypipe/{own}/") for node_id, node in prompt.items()}


def made_anew(prompt: JSONObject, own: str) -> JSONObject:
    """
    Return the prompt so that no cache answers for the nodes at its ends, even those without a ``filename_prefix``.

    A server may have answered an earlier attempt with the names of files that were deleted since, and would again. An
    input that the class does not declare is not given to the node, but is part of what a server goes by. Source:
    ComfyUI ``comfy_execution/caching.py``, ``execution.py`` ``get_input_data`` (0.3.64).
    """
    read = {
        value[0]
        for node in prompt.values()
        for value in node.get("inputs", {}).values()
        if isinstance(value, list) and value and isinstance(value[0], str)
    }
    return {node_id: node if node_id in read else _marked(node, own) for node_id, node in prompt.items()}


def node_names(prompt: Mapping[str, Any]) -> dict[str, str]:
    """Return by node id its title, else its class."""
    return {
        node_id: (node.get("_meta") or {}).get("title") or node.get("class_type", node_id)
        for node_id, node in prompt.items()
    }


def _marked(node: JSONObject, own: str) -> JSONObject:
    inputs = node.get("inputs", {})
    if isinstance(inputs.get("filename_prefix"), str):  # its own already
        return node
    return node | {"inputs": inputs | {_MARK: own}}


def _own_prefix(node: JSONObject, folder: str) -> JSONObject:
    inputs = node.get("inputs", {})
    prefix = inputs.get("filename_prefix")
    return node | {"inputs": inputs | {"filename_prefix": folder + prefix}} if isinstance(prefix, str) else node
