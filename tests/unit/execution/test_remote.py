"""Outputs that stay with their backend, seen from execution; a remote run that cannot be stopped."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.unit.backends.comfyicu.conftest import FAST

from comfypipe.backends.base import Backend
from comfypipe.backends.comfyicu import ComfyICUBackend
from comfypipe.backends.comfyicu.address import read_address
from comfypipe.errors import RunTimedOut
from comfypipe.execution.project import Project
from comfypipe.manifest.values import FileValue, RemoteFile
from comfypipe.project import ProjectLayout
from comfypipe.testing import RunsApi, runs_api

MANIFEST = """
apiVersion: comfypipe/v1
kind: Workflow
workflow: workflows/plain.json
timeout_s: 0.5
outputs:
  image: {type: image, node: "2"}
"""
PROMPT = """
{"1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 7}},
 "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a project with one workflow."""
    for name, text in {
        "pyproject.toml": "[tool.comfypipe]\n",
        "manifests/plain.yaml": MANIFEST,
        "workflows/plain.json": PROMPT,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def run(root: Path, api: RunsApi) -> Any:
    """Run the workflow on the API."""

    def opened(url: str, _layout: ProjectLayout) -> Backend:
        return ComfyICUBackend(read_address(url), key=api.key, timing=FAST)

    async def work() -> Any:
        async with Project(ProjectLayout.find(root), opener=opened) as project:
            return await project.run("plain", backend=api.backend_url)

    return asyncio.run(work())


def test_a_run_that_cannot_be_stopped_is_taken_up_by_the_next_one(root: Path) -> None:
    """The error says that it goes on and is charged for; the same command then has its result, and pays for none."""
    with runs_api() as api:
        api.quirks.hold = True
        with pytest.raises(RunTimedOut, match=r"may go on there.*no way to cancel"):
            run(root, api)
        api.quirks.hold = False
        manifest = root / "manifests/plain.yaml"
        manifest.write_text(manifest.read_text().replace("timeout_s: 0.5", "timeout_s: 60"))
        assert ("completed", 1) == (run(root, api).status, len(api.runs))


def test_what_stays_remote_has_the_same_name_before_and_after_it_was_fetched(tmp_path: Path) -> None:
    """Its identity is that of its run and its name there, whatever its URL and its bytes."""
    remote = RemoteFile("comfyicu:", "p", "w/r", "r", "2", "images", "sub", "output")
    left = FileValue("a.png", "image", url="https://one.example/a", remote=remote)
    here = FileValue("a.png", "image", tmp_path / "a", "https://two.example/a", "ab" * 32, remote)
    other = FileValue("a.png", "image", url="https://one.example/a", remote=RemoteFile(**_changed(remote, "w/r2")))
    assert (left.identity, left.placement) == (here.identity, here.placement)
    assert left.identity != other.identity


def _changed(remote: RemoteFile, server: str) -> dict[str, Any]:
    fields = {name: getattr(remote, name) for name in RemoteFile.__struct_fields__}
    return fields | {"server": server, "remote_id": server.rpartition("/")[2]}
