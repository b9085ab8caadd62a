"""Inputs and files of manifests that are named by URL: brought here before submission, and known by what they hold."""

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tests.unit.downloads.file_server import FileServer, Served, serving

from comfypipe.errors import DownloadMissing, DownloadRefused
from comfypipe.execution.events import Event, FilesFetched, FilesProgress, JobFailed
from comfypipe.execution.project import Project
from comfypipe.execution.records import Run
from comfypipe.project import ProjectLayout

INVERT = """{
  "1": {"class_type": "LoadImage", "inputs": {"image": {{ photo }}}},
  "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
  "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "inverted"}}
}"""

MANIFEST = """
apiVersion: comfypipe/v1
kind: Workflow
workflow: workflows/invert.json.j2
inputs:
  photo: {type: image}
outputs:
  image: {type: image, node: "3"}
"""

PIPELINE = """
apiVersion: comfypipe/v1
kind: Pipeline
inputs:
  photo: {type: image}
steps:
  - {id: once, workflow: invert, inputs: {photo: "{{ inputs.photo }}"}}
  - {id: again, workflow: invert, when: "{{ steps.once.outputs.image }}", inputs: {photo: "{{ inputs.photo }}"}}
  - {id: literal, workflow: invert, inputs: {photo: "URL"}}
"""


def picture(grey: int) -> bytes:
    """Return a PNG of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (grey, grey, grey)).save(buffer, "PNG")
    return buffer.getvalue()


def pixel(run: Run) -> int:
    """Return how bright the output of a run is."""
    with Image.open(run.outputs["image"].path) as image:
        value = image.getpixel((0, 0))
    assert isinstance(value, tuple)
    return int(value[0])


@pytest.fixture
def server() -> Iterator[FileServer]:
    """Run a server with a picture."""
    with serving({"/a.png": Served(picture(10), etag='"v1"')}) as running:
        yield running


@pytest.fixture
def layout(tmp_path: Path) -> ProjectLayout:
    """Return a project with one workflow, which asks URLs each time."""
    for name, text in {
        "pyproject.toml": "[tool.comfypipe]\ndownloads = {fresh_s = 0}\n",
        "workflows/invert.json.j2": INVERT,
        "manifests/invert.yaml": MANIFEST,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return ProjectLayout.find(tmp_path)


def run(layout: ProjectLayout, server: FileServer, events: list[Event] | None = None, name: str = "invert") -> Run:
    """Run the workflow with the server's picture."""

    async def whole() -> Run:
        async with Project(layout, allow_origins=[server.origin]) as project:
            listener = (events if events is not None else []).append
            return await project.run(name, {"photo": server.url("/a.png?key=s3cret")}, listener=listener)

    return asyncio.run(whole())


def test_a_url_is_brought_here(server: FileServer, layout: ProjectLayout) -> None:
    """An input that is a URL runs on a backend that takes files only, and its progress is told without its query."""
    events: list[Event] = []
    assert 245 == pixel(run(layout, server, events))
    shown = {event.url for event in events if isinstance(event, FilesProgress)}
    fetched = [(event.step, event.count) for event in events if isinstance(event, FilesFetched)]
    assert ({server.url("/a.png?…")}, [("invert", 1)]) == (shown, fetched)


def test_results_are_known_by_what_the_url_held(server: FileServer, layout: ProjectLayout) -> None:
    """The same bytes give the stored result; other bytes under the same URL are run."""
    first = run(layout, server)
    again = run(layout, server)
    server.files["/a.png"] = Served(picture(20), etag='"v2"')
    changed = run(layout, server)
    assert (False, True, False) == (first.cached, again.cached, changed.cached)
    assert (245, 245, 235) == (pixel(first), pixel(again), pixel(changed))


def test_a_local_file_with_the_same_bytes_gives_the_same_result(
    server: FileServer, layout: ProjectLayout, tmp_path: Path
) -> None:
    """Whether a picture came from a URL or a disk makes no difference to what is stored of it."""
    run(layout, server)
    (tmp_path / "a.png").write_bytes(picture(10))

    async def local() -> Run:
        async with Project(layout) as project:
            return await project.run("invert", {"photo": tmp_path / "a.png"})

    assert asyncio.run(local()).cached


def test_a_run_reads_a_url_once(server: FileServer, layout: ProjectLayout) -> None:
    """What a URL gave first in a run is what all its steps read, though it changes meanwhile; literals count too."""
    server.files["/a.png"] = lambda number: Served(picture(10 + number), etag=f'"{number}"')
    text = PIPELINE.replace("URL", server.url("/a.png?key=s3cret"))
    (layout.manifests / "twice.yaml").write_text(text, encoding="utf-8")
    ended = run(layout, server, name="twice")
    seen = {each.sha256 for name, each in ended.outputs.items()}
    assert 1 == len(seen)


def test_files_of_manifests_are_brought_too(server: FileServer, layout: ProjectLayout) -> None:
    """A file that the manifest puts in place may be a URL as well, and the job's digest is made of its bytes."""
    (layout.workflows / "fixed.json.j2").write_text(INVERT.replace("{{ photo }}", '"fixed.png"'), encoding="utf-8")
    files = f"files:\n  input/fixed.png: {server.url('/a.png')}\noutputs:"
    text = (
        MANIFEST.replace("invert", "fixed")
        .replace("outputs:", files)
        .replace("  photo: {type: image}", "  n: {type: seed}")
    )
    (layout.manifests / "fixed.yaml").write_text(text, encoding="utf-8")

    async def whole() -> Run:
        async with Project(layout, allow_origins=[server.origin]) as project:
            return await project.run("fixed")

    assert 245 == pixel(asyncio.run(whole()))
    server.files["/a.png"] = Served(picture(30), etag='"v3"')
    assert 225 == pixel(asyncio.run(whole()))


def test_private_addresses_are_refused(server: FileServer, layout: ProjectLayout) -> None:
    """Without permission nothing on this machine is asked, the run fails, and its job says so."""
    events: list[Event] = []

    async def whole() -> None:
        async with Project(layout) as project:
            await project.run("invert", {"photo": server.url("/a.png")}, listener=events.append)

    with pytest.raises(DownloadRefused, match="is refused"):
        asyncio.run(whole())
    assert ([], 1) == (server.requests, sum(isinstance(event, JobFailed) for event in events))


def test_what_is_not_there_fails_the_run(server: FileServer, layout: ProjectLayout) -> None:
    """A URL without a file is an error that shows no key."""
    del server.files["/a.png"]
    with pytest.raises(DownloadMissing) as caught:
        run(layout, server)
    assert f"{server.origin}/a.png?… is not there: HTTP 404" == caught.value.message
