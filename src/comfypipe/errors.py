"""
Every error that comfypipe raises on purpose.

::

    ComfypipeError
    ├── UsageError                      the call itself is wrong: an unknown name or option
    ├── ProjectError
    │   └── ProjectNotFound
    ├── ManifestError
    │   ├── ManifestInvalid             carries diagnostics
    │   ├── InputError                  of one input, or of several that it carries
    │   │   ├── InputMissing
    │   │   └── InputInvalid
    │   └── RowsInvalid                 carries diagnostics
    ├── TemplateError
    │   ├── TemplateUndefined
    │   ├── TemplateNotJSON
    │   └── TemplateTooExpensive
    ├── PromptInvalid                   carries node_errors in ComfyUI's shape
    ├── PlanError
    │   ├── ReferenceUnknown
    │   └── ReferenceCycle
    ├── BackendError
    │   ├── BackendUnavailable          retryable
    │   ├── BackendRejected
    │   ├── OutputGone                  retryable: a file of a run that completed is not there any more
    │   ├── AuthenticationFailed
    │   ├── SubmissionUnknown           the reply was lost: reconcile, never post again blindly
    │   ├── ServerStateLost             retryable: the server forgot the run
    │   └── ProtocolMismatch
    ├── RunError
    │   ├── RunFailed                   node_id, class_type, exception_type
    │   │   └── OutOfMemory             retryable, on the next accelerator
    │   ├── RunCancelled
    │   └── RunTimedOut
    ├── ImportFailed                    a file that no workflow can be made of
    ├── ReportUnreadable                a record of runs that no page can be made of
    └── StoreError
        ├── ArtifactMissing
        ├── ArtifactCorrupt
        ├── LedgerUnusable
        ├── DownloadRefused
        ├── DownloadMissing             the server does not give the file
        └── DownloadFailed              retryable
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from comfypipe._types import JSON, JSONObject
from comfypipe.diagnostics import Diagnostic, Source
from comfypipe.exit_status import ExitStatus


class ComfypipeError(Exception):
    """
    Base of all errors raised on purpose.

    Attributes:
        message: What went wrong, in one line.
        hint: What to do about it.
        source: The place in a file that caused it.
        retryable: Whether the same call may succeed later.
        exit_status: What the command line exits with.
    """

    retryable: ClassVar[bool] = False
    exit_status: ClassVar[ExitStatus] = ExitStatus.RUN_FAILED

    def __init__(self, message: str, *, hint: str | None = None, source: Source | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.source = source

    def __str__(self) -> str:
        place = f"{self.source} " if self.source else ""
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{place}{self.message}{hint}"

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders (Prefect pickles them); keyword arguments must survive.
        return _rebuild, (type(self), self.args, self.__dict__)

    def to_json(self) -> JSONObject:
        """Return the error as a JSON object, for ``--json`` and the ledger."""
        return {
            "type": type(self).__name__,
            "message": self.message,
            "hint": self.hint,
            "source": str(self.source) if self.source else None,
            "retryable": self.retryable,
        }


def _rebuild(cls: type[ComfypipeError], args: tuple[object, ...], state: dict[str, object]) -> ComfypipeError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class UsageError(ComfypipeError):
    """The call is wrong: an unknown name, an option that does not fit."""

    exit_status = ExitStatus.USAGE


class ProjectError(ComfypipeError):
    """The project's settings cannot be used."""

    exit_status = ExitStatus.INVALID


class ProjectNotFound(ProjectError):
    """No ``pyproject.toml`` with ``[tool.comfypipe]`` in this folder or above it."""

    exit_status = ExitStatus.USAGE


class ManifestError(ComfypipeError):
    """A manifest, or what was given for its inputs, is wrong."""

    exit_status = ExitStatus.INVALID


class ManifestInvalid(ManifestError):
    """One or more diagnostics of severity ``error``; all that were found in one pass."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(str(each) for each in self.diagnostics))

    def to_json(self) -> JSONObject:
        return super().to_json() | {"diagnostics": [each.to_json() for each in self.diagnostics]}


class InputError(ManifestError):
    """
    What was given for the inputs of a workflow will not do.

    Attributes:
        code: What a diagnostic of it is called.
        name: Of the input; None where it is about several.
        each: The errors that it tells together; empty where it is one.
    """

    exit_status = ExitStatus.USAGE
    code: ClassVar[str] = "bad-input"

    def __init__(
        self,
        message: str,
        *,
        name: str | None = None,
        each: "Sequence[InputError]" = (),
        hint: str | None = None,
        source: Source | None = None,
    ) -> None:
        super().__init__(message, hint=hint, source=source)
        self.name = name
        self.each = tuple(each)


class InputMissing(InputError):
    """A required input was not given."""

    code = "missing-input"


class InputInvalid(InputError):
    """A value does not fit the declared type, range or choices."""


class RowsInvalid(ManifestError):
    """
    Rows of a batch cannot be run.

    Attributes:
        diagnostics: What is wrong, the first findings of them.
        invalid: How many rows are.
        rows: How many there are.
    """

    exit_status = ExitStatus.INVALID

    def __init__(self, diagnostics: Sequence[Diagnostic], invalid: int, rows: int) -> None:
        self.diagnostics = tuple(diagnostics)
        self.invalid = invalid
        self.rows = rows
        told = "\n".join(str(each) for each in self.diagnostics)
        super().__init__(f"{invalid} of {rows} rows cannot be run:\n{told}" if invalid else told)

    def to_json(self) -> JSONObject:
        found = {"diagnostics": [each.to_json() for each in self.diagnostics]}
        return super().to_json() | found | {"invalid": self.invalid, "rows": self.rows}


class TemplateError(ComfypipeError):
    """A workflow template cannot be compiled or rendered."""

    exit_status = ExitStatus.INVALID


class TemplateUndefined(TemplateError):
    """The template reads a name that nothing defines."""


class TemplateNotJSON(TemplateError):
    """The rendered text is not the JSON of a prompt."""


class TemplateTooExpensive(TemplateError):
    """Rendering ran over its limit of time or size."""


class PromptInvalid(ComfypipeError):
    """
    The prompt would be refused.

    Attributes:
        error: ComfyUI's top-level ``{type, message, details, extra_info}``.
        node_errors: By node id, ComfyUI's ``{errors, dependent_outputs, class_type}``.
        diagnostics: The same findings with their places, where those are known.
    """

    exit_status = ExitStatus.INVALID

    def __init__(
        self,
        message: str,
        *,
        error: JSONObject | None = None,
        node_errors: Mapping[str, JSON] | None = None,
        diagnostics: Sequence[Diagnostic] = (),
        hint: str | None = None,
        source: Source | None = None,
    ) -> None:
        super().__init__(message, hint=hint, source=source)
        self.error = error or {"type": "invalid_prompt", "message": message, "details": "", "extra_info": {}}
        self.node_errors = dict(node_errors or {})
        self.diagnostics = tuple(diagnostics)

    def to_json(self) -> JSONObject:
        return super().to_json() | {
            "error": self.error,
            "node_errors": self.node_errors,
            "diagnostics": [each.to_json() for each in self.diagnostics],
        }


class PlanError(ComfypipeError):
    """
    The steps of a pipeline do not fit together.

    Attributes:
        diagnostics: Everything that was found, where that is more than the message says.
    """

    exit_status = ExitStatus.INVALID

    def __init__(
        self,
        message: str,
        *,
        diagnostics: Sequence[Diagnostic] = (),
        hint: str | None = None,
        source: Source | None = None,
    ) -> None:
        super().__init__(message, hint=hint, source=source)
        self.diagnostics = tuple(diagnostics)

    def to_json(self) -> JSONObject:
        return super().to_json() | {"diagnostics": [each.to_json() for each in self.diagnostics]}


class ReferenceUnknown(PlanError):
    """A reference names a step, output or input that does not exist."""


class ReferenceCycle(PlanError):
    """Steps wait for each other."""


class BackendError(ComfypipeError):
    """The backend could not do what it was asked."""

    exit_status = ExitStatus.UNAVAILABLE


class BackendUnavailable(BackendError):
    """
    The backend cannot be reached, is overloaded, or broke off.

    Attributes:
        retry_after_s: How long it asks to be left alone, where it says so.
        down: Nobody listens there: it may be restarting.
    """

    retryable = True

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        source: Source | None = None,
        retry_after_s: float | None = None,
        down: bool = False,
    ) -> None:
        super().__init__(message, hint=hint, source=source)
        self.retry_after_s = retry_after_s
        self.down = down


class BackendRejected(BackendError):
    """The backend understood the request and refused it."""


class OutputGone(BackendError):
    """
    A file of a run that completed is not there any more: it was deleted, or a cache named what was.

    Attributes:
        node_id: The node that saved it.
    """

    retryable = True

    def __init__(
        self, message: str, *, node_id: str | None = None, hint: str | None = None, source: Source | None = None
    ) -> None:
        super().__init__(message, hint=hint, source=source)
        self.node_id = node_id


class AuthenticationFailed(BackendError):
    """The key is missing, wrong, expired or revoked."""


class SubmissionUnknown(BackendError):
    """The reply to a submission was lost: it may or may not run. Reconcile before posting again."""


class ServerStateLost(BackendError):
    """
    The server no longer knows a run that it had accepted.

    Attributes:
        began: Whether the run may have begun there; one that has not costs no attempt.
    """

    retryable = True

    def __init__(
        self, message: str, *, hint: str | None = None, source: Source | None = None, began: bool = True
    ) -> None:
        super().__init__(message, hint=hint, source=source)
        self.began = began


class ProtocolMismatch(BackendError):
    """What answered does not speak the protocol expected of it."""


class RunError(ComfypipeError):
    """A run ended otherwise than well."""

    exit_status = ExitStatus.RUN_FAILED


class RunFailed(RunError):
    """
    A node raised an error.

    Attributes:
        node_id: Id of the node in the prompt.
        class_type: Its class.
        exception_type: Name of the exception on the server, such as ``ValueError``.
    """

    def __init__(
        self,
        message: str,
        *,
        node_id: str | None = None,
        class_type: str | None = None,
        exception_type: str | None = None,
        hint: str | None = None,
        source: Source | None = None,
    ) -> None:
        super().__init__(message, hint=hint, source=source)
        self.node_id = node_id
        self.class_type = class_type
        self.exception_type = exception_type

    def to_json(self) -> JSONObject:
        return super().to_json() | {
            "node_id": self.node_id,
            "class_type": self.class_type,
            "exception_type": self.exception_type,
        }


class OutOfMemory(RunFailed):
    """The accelerator ran out of memory: worth another try on a larger one."""

    retryable = True


class RunCancelled(RunError):
    """The run was cancelled, by us or on the server."""

    exit_status = ExitStatus.INTERRUPTED


class RunTimedOut(RunError):
    """The run did not end within its ``timeout_s``."""

    exit_status = ExitStatus.TIMED_OUT


class ImportFailed(ComfypipeError):
    """No workflow can be made of a file, and why."""

    exit_status = ExitStatus.INVALID


class ReportUnreadable(ComfypipeError):
    """A record of runs that no page can be made of."""

    exit_status = ExitStatus.INVALID


class StoreError(ComfypipeError):
    """Something on our own disk, or on its way there, is not as it should be."""


class ArtifactMissing(StoreError):
    """A stored file that a run needs is gone."""


class ArtifactCorrupt(StoreError):
    """A stored file's bytes do not have the digest that names it."""


class LedgerUnusable(StoreError):
    """The ledger cannot be opened, is damaged, or belongs to a newer version."""


class DownloadRefused(StoreError):
    """A URL, address, destination or file that the rules do not allow, or not the file that was meant."""


class DownloadMissing(StoreError):
    """The server has no such file, or does not give it to us."""


class DownloadFailed(StoreError):
    """A transfer broke off."""

    retryable = True
