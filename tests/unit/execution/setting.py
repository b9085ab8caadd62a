"""An execution on a folder backend, and jobs for it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from tests.unit.execution.folder_backend import FolderBackend
from tests.unit.store.builders import a_run

from comfypipe._types import JSONObject
from comfypipe.backends.registry import BackendPool
from comfypipe.execution.backoff import Patience
from comfypipe.execution.context import Execution
from comfypipe.execution.events import Event
from comfypipe.manifest.schema import RetrySpec
from comfypipe.plan.steps import Job
from comfypipe.project import ProjectLayout
from comfypipe.store.artifacts import ArtifactStore
from comfypipe.store.ledger import Ledger
from comfypipe.store.records import AttemptRecord, JobRecord, RunRecord

T = TypeVar("T")

IMPATIENT = Patience(first_delay_s=0.001, longest_delay_s=0.002, grace_s=0.01, cancel_s=5.0, jitter=lambda: 1.0)

SAVE: JSONObject = {
    "1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "portrait", "subject": "a lighthouse"}}
}


def a_prompt_job(prompt: JSONObject | None = None, **changes: Any) -> Job:
    """Return a job that saves one picture, or what *prompt* says."""
    values: dict[str, Any] = {
        "step_id": "portrait",
        "item": None,
        "workflow": "portrait",
        "values": {"subject": "a lighthouse"},
        "prompt": SAVE if prompt is None else prompt,
        "files": (),
        "outputs": {"image": ("1", "image")},
        "digest": "d" * 64,
        "retry": RetrySpec(attempts=3),
        "timeout_s": 20.0,
    }
    return Job(**(values | changes))


@dataclass
class Setting:
    """A project's state in a folder of its own, with a backend beside it."""

    root: Path
    backend: FolderBackend
    events: list[Event] = field(default_factory=list)

    @property
    def artifacts(self) -> ArtifactStore:
        """The store of files."""
        return ArtifactStore(self.root / "artifacts")

    def use(
        self,
        steps: Callable[[Execution, RunRecord], Awaitable[T]],
        *,
        run: RunRecord | None = None,
        new: bool = True,
        **changes: Any,
    ) -> T:
        """Do *steps* in a run that is in the ledger, in an event loop and an opening of the ledger of their own."""

        async def session() -> T:
            record = run or a_run()
            layout = ProjectLayout(self.root)
            ledger = Ledger(self.root / "ledger.sqlite")
            pool = BackendPool(layout, lambda _url, _layout: self.backend)
            execution = Execution(
                layout, ledger, self.artifacts, pool, "folder:", listener=self.events.append, patience=IMPATIENT
            )
            try:
                if new:
                    await ledger.add_run(record)
                return await steps(replace(execution, **changes), record)
            finally:
                await pool.close()
                await ledger.close()

        return asyncio.run(session())

    def attempts(self, run: RunRecord | None = None) -> tuple[AttemptRecord, ...]:
        """Return the attempts that the ledger has of a run."""
        return self.use(lambda execution, record: execution.ledger.attempts(record.id), run=run, new=False)

    def jobs(self, run: RunRecord | None = None) -> tuple[JobRecord, ...]:
        """Return the jobs that the ledger has of a run."""
        return self.use(lambda execution, record: execution.ledger.jobs(record.id), run=run, new=False)


def text_node(text: object) -> Mapping[str, Any]:
    """Return a prompt whose one node shows *text*."""
    return {"1": {"class_type": "ShowText", "inputs": {"text": text}}}
