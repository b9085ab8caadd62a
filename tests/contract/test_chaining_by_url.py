"""A pipeline of many stages on a runs API: what stages pass on stays there, what was asked for is fetched."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.contract.own_service import own_service
from tests.contract.signing_store import Served, SigningStore, serving_store

from comfypipe.backends.base import Backend
from comfypipe.backends.comfyicu import ComfyICUBackend
from comfypipe.backends.comfyicu.address import read_address
from comfypipe.backends.comfyicu.staging import SignedStore
from comfypipe.backends.comfyicu.timing import ApiTiming
from comfypipe.backends.registry import open_backend
from comfypipe.errors import OutputGone
from comfypipe.execution.project import Project
from comfypipe.execution.records import Run
from comfypipe.project import ProjectLayout
from comfypipe.testing import RunsApi, runs_api

COLOURS = ["#336699", "#993333"]
QUICK = ApiTiming(first_poll_s=0.02, longest_poll_s=0.1)
STAGES = 1 + 2 + 2 + 1  # cutout, a variant and a card for each colour, the sheet

Work = Callable[[Project], Awaitable[Any]]


@pytest.fixture
def root_copy(root: Path, tmp_path: Path) -> Path:
    """Return a copy of this repository's project."""
    copy = tmp_path / "project"
    for folder in ("manifests", "workflows", "assets"):
        shutil.copytree(root / folder, copy / folder)
    (copy / "pyproject.toml").write_text("[tool.comfypipe]\n")
    return copy


@pytest.fixture
def api() -> Iterator[RunsApi]:
    """Return an API like ComfyICU's."""
    with runs_api() as found:
        yield found


@pytest.fixture
def store() -> Iterator[Served]:
    """Return a store that signs URLs."""
    with serving_store() as found:
        yield found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the base URL of our own service."""
    with own_service(tmp_path_factory.mktemp("service")) as base_url:
        yield base_url


def use(root: Path, work: Work, opener: Callable[[str, ProjectLayout], Backend] = open_backend) -> Any:
    """Do something with a project, and close it."""

    async def whole() -> Any:
        async with Project(ProjectLayout.find(root), opener=opener) as project:
            return await work(project)

    return asyncio.run(whole())


def on_api(api: RunsApi, store: Served) -> Callable[[str, ProjectLayout], Backend]:
    """Return what opens a client of the API, with a place for files of this machine."""

    def opened(url: str, layout: ProjectLayout) -> Backend:
        if not url.startswith("comfyicu"):
            return open_backend(url, layout)
        staging = SignedStore("signing://files/staged", {"origin": store.origin})
        return ComfyICUBackend(read_address(url), key=api.key, staging=staging, timing=QUICK)

    return opened


def make(
    root: Path, backend: str, opener: Callable[[str, ProjectLayout], Backend] = open_backend, **options: Any
) -> Run:
    """Run the example pipeline."""
    given = {"size": 128, "colours": COLOURS}
    made: Run = use(root, lambda project: project.run("product_card", given, backend=backend, **options), opener)
    return made


def pixels(run: Run) -> bytes:
    """Return the pixels of the sheet."""
    with Image.open(run.outputs["sheet"].path) as picture:
        return picture.tobytes()


def stored(root: Path) -> int:
    """Return how many files the project keeps."""
    return sum(each.is_file() for each in (root / ".comfypipe/artifacts").glob("??/*"))


def test_only_what_was_asked_for_passes_through_the_client(root_copy: Path, api: RunsApi, store: Served) -> None:
    """The sheet and the cards are fetched; the cut-out and its variants go from run to run by URL alone."""
    run = make(root_copy, api.backend_url, on_api(api, store))
    by_client = [name for who, name in api.fetched if who == "client"]
    assert ("completed", STAGES) == (run.status, len(api.runs))
    assert (1 + len(COLOURS), 1 + len(COLOURS)) == (len(by_client), stored(root_copy))
    staged = {path.partition("?")[0].rpartition("/")[2] for path in store.requests}
    assert ({"vase.png", "logo.png", "backdrop.png"}, 3) == (staged, len(SigningStore.store))  # each was put there once
    assert pixels(run)
    passed_on = [name for who, name in api.fetched if who == "api"]
    assert 1 * len(COLOURS) + len(COLOURS) + len(COLOURS) == len(passed_on)


def test_asked_again_nothing_runs_and_nothing_is_fetched(root_copy: Path, api: RunsApi, store: Served) -> None:
    """The stored outputs have the same digests after they were fetched as before."""
    first = make(root_copy, api.backend_url, on_api(api, store))
    fetched = len(api.fetched)
    again = make(root_copy, api.backend_url, on_api(api, store))
    assert (True, STAGES, fetched) == (again.cached, len(api.runs), len(api.fetched))
    assert first.outputs == again.outputs


def test_what_was_deleted_there_runs_anew(root_copy: Path, api: RunsApi, store: Served) -> None:
    """A stage whose outputs never came here, and are gone there, is executed again."""
    make(root_copy, api.backend_url, on_api(api, store))
    cards = {each["id"] for each in [*api.runs.values()][3:]}
    for run_id in [each for each in api.runs if each not in cards]:
        del api.runs[run_id]
    again = make(root_copy, api.backend_url, on_api(api, store))
    assert ("completed", False) == (again.status, again.cached)


def test_another_backend_is_given_the_bytes(root_copy: Path, api: RunsApi, store: Served) -> None:
    """A stage that runs here fetches what a stage made there."""
    manifest = root_copy / "manifests/product_card.yaml"
    text = manifest.read_text().replace(
        "workflow: contact_sheet\n", "workflow: contact_sheet\n    backend: 'embedded:'\n"
    )
    manifest.write_text(text)
    (root_copy / "pyproject.toml").write_text(f'[tool.comfypipe]\nbackend = "{api.backend_url}"\n')
    opener = on_api(api, store)
    made: Run = use(root_copy, lambda each: each.run("product_card", {"size": 128, "colours": COLOURS}), opener)
    assert ("completed", STAGES - 1) == (made.status, len(api.runs))
    assert pixels(made)


def test_an_output_that_is_gone_at_the_end_fails_the_run_and_the_next_one_mends_it(
    root_copy: Path, api: RunsApi, store: Served
) -> None:
    """The error says so; the same command runs anew what made it."""

    class Forgetful(ComfyICUBackend):
        async def fetch(self, output: Any, destination: Path) -> None:
            raise OutputGone(f"{output.filename} is gone")

    def forgetful(url: str, _layout: ProjectLayout) -> Backend:
        staging = SignedStore("signing://files/staged", {"origin": store.origin})
        return Forgetful(read_address(url), key=api.key, staging=staging, timing=QUICK)

    with pytest.raises(OutputGone):
        make(root_copy, api.backend_url, forgetful)
    assert "completed" == make(root_copy, api.backend_url, on_api(api, store)).status


def test_the_example_pipeline_runs_on_our_own_service(root_copy: Path, service: str) -> None:
    """The photo is uploaded, stages pass files on by URL, and only the outputs come here."""
    backend = f"comfyicu+{service}"
    run = make(root_copy, backend)
    assert ("completed", False, 1 + len(COLOURS)) == (run.status, run.simulated, stored(root_copy))
    details = use(root_copy, lambda project: project.details(run.id))
    remote = [each for job in details.jobs for each in job.outputs if each.url is not None]
    assert (STAGES, len(COLOURS) + 1) == (len(remote), sum(each.sha256 is not None for each in remote))
    assert make(root_copy, backend).cached
    local = make(root_copy, "embedded:", cache=False)
    assert pixels(local) == pixels(run)
