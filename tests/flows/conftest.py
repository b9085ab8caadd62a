"""One Prefect server for all tests of flows."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.flows.prefect_server import PrefectServer, shared_server


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """Run ``prefect server start`` on a fresh database; twenty seconds, so once for the session."""
    base = tmp_path_factory.getbasetemp()
    whole = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with shared_server(whole / "prefect") as server:
        yield server


@pytest.fixture(scope="session")
def prefect_workers(prefect_server: PrefectServer) -> Iterator[PrefectServer]:
    """Before the server ends, let this process's background threads send what they have: they would retry a minute."""
    yield prefect_server
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all()
    EventsWorker.drain_all()


@pytest.fixture
def prefect_api(prefect_workers: PrefectServer) -> Iterator[PrefectServer]:
    """
    Let flows of this process use the server.

    Results have a place that is named: where none is, each flow asks the server for one over a connection that
    Prefect 3.8 never closes, and an unclosed socket is a warning, and a warning an error, in whichever test comes next.
    """
    from prefect import settings
    from prefect.filesystems import LocalFileSystem

    home = Path(prefect_workers.environment["PREFECT_HOME"])
    api = {settings.PREFECT_API_URL: prefect_workers.api_url, settings.PREFECT_HOME: home}
    results = {settings.PREFECT_DEFAULT_RESULT_STORAGE_BLOCK: "local-file-system/test-results"}
    with settings.temporary_settings(api):
        LocalFileSystem(basepath=str(home / "results")).save("test-results", overwrite=True)
        with settings.temporary_settings(results):
            yield prefect_workers


@pytest.fixture
def project_copy(root: Path, tmp_path: Path) -> Path:
    """Return a copy of this repository's own project, with nothing run in it yet."""
    copy = tmp_path / "project"
    for folder in ("assets", "flows", "manifests", "workflows"):
        shutil.copytree(root / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("prefect.yaml", "pyproject.toml"):
        shutil.copy(root / file, copy)
    return copy
