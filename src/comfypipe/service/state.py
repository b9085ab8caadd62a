"""What a running service is made of."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from comfypipe.backends.registry import BackendPool
from comfypipe.downloads.cache import DownloadCache
from comfypipe.downloads.guard import AddressPolicy
from comfypipe.execution.context import Execution, KeyedLocks
from comfypipe.execution.events import Listener, ignore
from comfypipe.service.detachable import Detachment
from comfypipe.service.links import Links
from comfypipe.service.notices import Notices
from comfypipe.service.progress import Broadcast
from comfypipe.service.published import Published
from comfypipe.service.settings import ServiceSettings
from comfypipe.store.artifacts import ArtifactStore
from comfypipe.store.ledger import Ledger
from comfypipe.store.worker import DatabaseWorker


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """
    What everything in the service works with.

    Attributes:
        worker: The service's own database.
        ledger: What execution keeps of jobs and attempts.
        artifacts: Outputs and uploads, by content.
        policy: Which addresses may be connected to.
        downloads: What runs bring, by content. No keys of the operator's are sent: tenants would share them.
        models: ComfyUI's folder, to put models into; None when it is not at hand.
        slots: How many jobs the backend has at once.
    """

    settings: ServiceSettings
    worker: DatabaseWorker
    ledger: Ledger
    artifacts: ArtifactStore
    backends: BackendPool
    detachment: Detachment
    links: Links
    notices: Notices
    broadcast: Broadcast
    policy: AddressPolicy
    downloads: DownloadCache
    models: Path | None
    published: Published | None
    same: KeyedLocks
    slots: asyncio.Semaphore

    def execution(self, listener: Listener = ignore) -> Execution:
        """Return what the stages of execution work with."""
        return Execution(
            layout=self.settings.layout,
            ledger=self.ledger,
            artifacts=self.artifacts,
            backends=self.backends,
            backend=self.settings.backend,
            cache=False,  # a result of one tenant is not another's
            listener=listener,
            slots=self.slots,
            same=self.same,
        )
