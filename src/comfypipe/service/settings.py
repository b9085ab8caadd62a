"""How a service was asked to be."""

from dataclasses import dataclass
from pathlib import Path

from comfypipe.project import ProjectLayout

ACCELERATORS = ("T4", "L4", "L40S", "A10", "A100", "A100_40GB", "A100_80GB", "H100")
"""What ComfyICU's clients may ask for, by its documentation and later price lists."""

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """
    What a service is made of.

    Attributes:
        data: Folder of what it keeps: database, stored files, thumbnails.
        database: URL of its database; None for a SQLite file in *data*.
        backend: URL or name of where prompts run.
        project: Whose workflows are published, and whose settings name backends.
        authenticate: Whether API keys are asked for.
        any_workflow: Whether a prompt may be run under any workflow id: the first run makes the id the tenant's. Ids
            of ComfyICU's web site then work as they are. Without it only known ids do.
        allow_origins: Exact origins that downloads and webhooks may reach though their addresses are not public.
        allow_pickle: Whether models may be files that run code when they are loaded.
        comfyui: ComfyUI's folder, where models can be put; None when it is not at hand.
        download_cache_bytes: How much of what was downloaded is kept.
        public_url: What the service is called from outside, for the URLs that it gives; None to take what each
            client calls it.
        accelerators: What runs may ask for.
        in_flight: How many runs the backend has at once; None for what suits it.
        run_timeout_s: How long a run may take on the backend.
        drain_s: How long runs may go on when the service is stopped.
        prompt_bytes: How large a body of JSON may be.
        upload_bytes: How large an uploaded file may be.
        files_per_run: How many files a run may bring.
        keep_s: How long what has ended is kept, from its end or the last request that named it; None for ever.
        requests_per_s: How many requests a key may send in the long run; 0 for any number.
    """

    data: Path
    database: str | None = None
    backend: str = "embedded:"
    project: ProjectLayout | None = None
    authenticate: bool = True
    any_workflow: bool = True
    allow_origins: frozenset[str] = frozenset()
    allow_pickle: bool = False
    comfyui: Path | None = None
    download_cache_bytes: int = 50 * 1024 * _MIB
    public_url: str | None = None
    accelerators: tuple[str, ...] = ACCELERATORS
    in_flight: int | None = None
    run_timeout_s: float = 3600.0
    drain_s: float = 5.0
    prompt_bytes: int = 8 * _MIB
    upload_bytes: int = 4096 * _MIB
    files_per_run: int = 64
    keep_s: float | None = None
    requests_per_s: float = 200.0

    @property
    def layout(self) -> ProjectLayout:
        """Where backends find their settings and keep their files."""
        return self.project or ProjectLayout(self.data.absolute())

    @property
    def location(self) -> Path | str:
        """Where the database is."""
        return self.database or self.data / "service.sqlite3"
