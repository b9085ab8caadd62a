"""What every backend can do: the seam between execution and the place where prompts run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import RunError
from comfypipe.prompt.object_info import ObjectInfo


class RunStatus(StrEnum):
    """Where a run is. The last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether it will not change any more."""
        return self in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class InputFile:
    """
    A file that must be in its place before the prompt starts.

    Attributes:
        name: Its place relative to ComfyUI's folder, such as ``input/comfypipe/3f2a…/photo.png``.
        sha256: Of its bytes, as hex.
        path: Where it lies on this machine; None when only *url* is known.
        url: Where the remote side can fetch it itself, for backends that can.
    """

    name: str
    sha256: str | None = None
    path: Path | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """
    One attempt to run a prompt.

    Attributes:
        prompt_id: Canonical lowercase UUID, made and recorded before anything is sent.
        prompt: API format.
        accelerator: Wanted accelerators, first choice first; empty when any will do.
        extra_pnginfo: What saving nodes embed into files beside the prompt.
        models: Paths of the model files that the manifest declares, such as ``models/loras/ink.safetensors``; None
            where there is no manifest.
        model_files: Those of them that can be fetched: with URL, and digest where it is known.
        again: It was sent before, perhaps by a process that has died since, and seems not to have arrived.
    """

    prompt_id: str
    prompt: JSONObject
    files: tuple[InputFile, ...] = ()
    accelerator: tuple[str, ...] = ()
    extra_pnginfo: JSONObject = field(default_factory=dict)
    models: tuple[str, ...] | None = None
    model_files: tuple[InputFile, ...] = ()
    again: bool = False


@dataclass(frozen=True, slots=True)
class RunHandle:
    """
    A submitted run, as its backend knows it. Small and serialisable: the ledger keeps it.

    Attributes:
        server: Which server of the backend has it, where there are several.
        accelerator: Which of those wanted it was given, by the name in the submission; None where nobody says.
    """

    prompt_id: str
    server: str | None = None
    remote_id: str | None = None
    accelerator: str | None = None


@dataclass(frozen=True, slots=True)
class OutputFile:
    """
    A file that a run made.

    Attributes:
        node_id: The node that saved it.
        key: The key it stood under in the node's outputs: ``images``, ``audio``, ``latents``, …
        kind: ComfyUI's folder type: ``output`` or ``temp``.
        url: Where it can be fetched from without the backend, for chaining by URL.
    """

    node_id: str
    key: str
    filename: str
    subfolder: str = ""
    kind: str = "output"
    url: str | None = None
    server: str | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """
    How a run ended.

    Attributes:
        files: Every file that it made, previews (``kind="temp"``) included, in the order of the nodes.
        values: By node id, the raw output entry of every output node (texts and unknown keys included).
        error: Why it failed; None when it completed.
        simulated: Whether any part of it was simulated: then nothing of it is ever taken for real.
        node_seconds: Execution time of each node that ran, where the backend tells.
    """

    status: RunStatus
    files: tuple[OutputFile, ...] = ()
    values: Mapping[str, JSONObject] = field(default_factory=dict)
    error: RunError | None = None
    simulated: bool = False
    execution_s: float | None = None
    node_seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeProgress:
    """
    Something that happened to a run while it was waited for.

    Attributes:
        state: ``queued`` and ``started`` speak of the run (*node_id* is None); of a node speak ``cached`` (it will not
            run), ``running``, ``progress``, ``preview`` and ``finished``.
        value: Steps done of *maximum*, for ``progress``.
        preview: Encoded JPEG or PNG, for ``preview``.
    """

    prompt_id: str
    state: str
    node_id: str | None = None
    class_type: str | None = None
    value: float | None = None
    maximum: float | None = None
    preview: bytes | None = None
    detail: JSON = None


OnProgress = Callable[[NodeProgress], None]


class Backend(Protocol):
    """
    A place where prompts run. Every method is safe to call from several tasks at once.

    Errors are those of `comfypipe.errors`: `BackendUnavailable`, `BackendRejected`, `AuthenticationFailed`,
    `SubmissionUnknown`, `ServerStateLost`, `ProtocolMismatch`; `PromptInvalid` when the prompt itself is refused.
    """

    @property
    def url(self) -> str:
        """What the user called it, credentials removed."""

    @property
    def simulated(self) -> bool:
        """Whether nodes that need a model are stood in for."""

    @property
    def takes_urls(self) -> bool:
        """
        Whether files travel by URL.

        Then one that a submission brings needs a URL alone, which the other side fetches; and what a run made may stay
        there, to be passed on by its URL, until somebody asks for it.
        """

    async def object_info(self, *, fresh: bool = False) -> ObjectInfo | None:
        """
        Return what the backend can run, or None when it does not tell.

        It may be a copy that was kept from an earlier call, which need not have what was installed since: before
        something is refused because of it, ask again with *fresh*.
        """

    async def submit(self, submission: Submission) -> RunHandle:
        """
        Put the files in place and queue the prompt, once.

        Raises:
            SubmissionUnknown: The reply was lost; ask `find` before submitting the same ``prompt_id`` again.
        """

    async def find(self, prompt_id: str, server: str | None = None) -> RunHandle | None:
        """
        Return the handle of a prompt that the backend knows, queued, running or ended; None when it does not.

        Args:
            server: Which of its servers took it, as far as that was recorded: it is asked first.
        """

    async def wait(self, handle: RunHandle, on_progress: OnProgress | None = None) -> RunResult:
        """
        Return when the run has ended, however it ended; a failed run is a result, not an exception.

        Raises:
            ServerStateLost: The backend no longer knows the run.
        """

    async def fetch(self, output: OutputFile, destination: Path) -> None:
        """Write the bytes of *output* to *destination*: whole, or not at all."""

    async def cancel(self, handle: RunHandle) -> None:
        """Return when the run is no longer queued or running; nothing happens to one that has ended."""

    async def close(self) -> None:
        """Let go of connections and threads; runs of an in-process backend end."""
