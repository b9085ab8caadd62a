"""A project whose batches run on a folder, and a way to run them."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.unit.execution.folder_backend import FolderBackend
from tests.unit.execution.projects import make_project
from tests.unit.execution.setting import IMPATIENT

from comfypipe._types import JSONObject
from comfypipe.batch.batch import Batch, Outcome, open_batch, reopen_batch
from comfypipe.batch.limits import Limits
from comfypipe.batch.request import BatchRequest
from comfypipe.execution.project import Project
from comfypipe.project import ProjectLayout

T = TypeVar("T")


@dataclass
class Batches:
    """
    Runs batches, each in a session of its own.

    Attributes:
        events: What was told of the last one.
    """

    root: Path
    backend: FolderBackend
    events: list[tuple[str, JSONObject]] = field(default_factory=list)

    def rows(self, *rows: Mapping[str, Any] | str, name: str = "rows.jsonl") -> Path:
        """Write a file of rows."""
        path = self.root / name
        path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        return path

    def request(self, name: str = "portrait", rows: Path | None = None, **options: Any) -> BatchRequest:
        """Return a request that writes below the project."""
        given = {"out": self.root / "out", "folder": self.root} | options
        return BatchRequest(name, rows, **given)

    def run(
        self,
        request: BatchRequest,
        limits: Limits | None = None,
        *,
        fresh: bool = False,
        during: Callable[[Batch, str], None] | None = None,
    ) -> Outcome:
        """Run a batch; *during* is called with each kind of event."""
        return self.session(lambda project: self._run(project, request, limits or Limits(), fresh, during))

    def again(self, batch_id: str, limits: Limits | None = None) -> Outcome:
        """Go on with a batch by its id."""

        async def work(project: Project) -> Outcome:
            async with reopen_batch(project, batch_id) as batch:
                return await batch.finish(await batch.run(limits or Limits()))

        return self.session(work)

    def session(self, work: Callable[[Project], Awaitable[T]]) -> T:
        """Do something with the project."""

        async def opened() -> T:
            layout = ProjectLayout.find(self.root)
            async with Project(layout, opener=lambda _url, _layout: self.backend, patience=IMPATIENT) as project:
                return await work(project)

        return asyncio.run(opened())

    async def _run(
        self,
        project: Project,
        request: BatchRequest,
        limits: Limits,
        fresh: bool,
        during: Callable[[Batch, str], None] | None,
    ) -> Outcome:
        self.events = []
        async with open_batch(project, request, fresh=fresh) as batch:

            def tell(kind: str, about: JSONObject) -> None:
                self.events.append((kind, about))
                if during is not None:
                    during(batch, kind)

            return await batch.finish(await batch.run(replace(limits), tell=tell))

    def results(self, folder: str = "out") -> list[JSONObject]:
        """Return the lines of ``results.jsonl``."""
        return [json.loads(line) for line in (self.root / folder / "results.jsonl").read_text().splitlines()]

    def files(self) -> list[str]:
        """Return the outputs' paths, relative to the folder."""
        out = self.root / "out"
        kept = {"results.jsonl", "batch.json", "results.parquet"}
        found = (path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
        return sorted(path for path in found if path not in kept)


@pytest.fixture
def batches(tmp_path: Path) -> Batches:
    """Return a project, and a server that is a folder."""
    root = make_project(tmp_path / "project").root
    return Batches(root, FolderBackend(tmp_path / "server"))
