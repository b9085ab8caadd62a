"""Which runs a flow run has begun and not ended: what is left to cancel when its process is gone."""

import re
from dataclasses import dataclass
from pathlib import Path

from comfypipe.execution.events import Event, RunFinished, RunStarted
from comfypipe.project import ProjectLayout
from comfypipe.store.files import disk_faults


@dataclass(frozen=True, slots=True)
class BegunRuns:
    """
    The runs of one flow run: an empty file for each, below the project's state, from its beginning to its end.

    Beside the ledger rather than on Prefect's server: it is there before anything is submitted, and costs no request.

    Attributes:
        folder: Holds the files; it is there while there are any.
    """

    folder: Path

    @classmethod
    def of(cls, layout: ProjectLayout, flow_run_id: object) -> "BegunRuns":
        """Return the runs of a flow run."""
        name = str(flow_run_id)
        if not re.fullmatch(r"[0-9a-fA-F-]+", name):
            raise ValueError(f"{name!r} is no id of a flow run")
        return cls(layout.state / "prefect" / name)

    def __call__(self, event: Event) -> None:
        """Listen to a run: note that it began, forget it when it has ended."""
        match event:
            case RunStarted():
                with disk_faults(self.folder):
                    self.folder.mkdir(parents=True, exist_ok=True)
                    (self.folder / event.run_id).touch()
            case RunFinished():
                self.forget(event.run_id)

    def ids(self) -> tuple[str, ...]:
        """Return the ids of the runs that have not ended, oldest first."""
        return tuple(sorted(path.name for path in self.folder.iterdir())) if self.folder.is_dir() else ()

    def forget(self, run_id: str) -> None:
        """Take a run as ended."""
        with disk_faults(self.folder):
            (self.folder / run_id).unlink(missing_ok=True)
            if self.folder.is_dir() and not any(self.folder.iterdir()):
                self.folder.rmdir()
