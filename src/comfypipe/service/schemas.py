"""What the OpenAPI document says of bodies. Replies are written by `service.wire`; a test holds the two together."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from comfypipe._types import JSONObject


class _Wire(BaseModel):
    model_config = ConfigDict(extra="allow")


class ErrorBody(_Wire):
    """What every error looks like."""

    error: str = Field(description="Stable kebab-case name of the kind of error.", examples=["not-found"])
    message: str = Field(description="What is wrong, for people.", examples=["there is no such run"])


class RunCreated(_Wire):
    """The id of an accepted run, alone."""

    id: str = Field(description="21 characters.", examples=["APCmAT2lf8O6sAgk2Svf2"])


class OutputFile(_Wire):
    """A file that a run saved; its URLs open without a key."""

    filename: str
    url: str
    thumbnail_url: str


class User(_Wire):
    """Whose a run is."""

    id: str
    name: str
    image: str
    plan: str


class RunObject(_Wire):
    """A run, in ComfyICU's shape."""

    id: str
    created_at: str
    updated_at: str
    deleted_at: None
    started_at: str | None
    completed_at: str | None
    run_time: int | None = Field(description="Milliseconds of execution; downloads are not counted.")
    status: Literal["QUEUED", "STARTED", "COMPLETED", "ERROR"]
    kind: str
    data: JSONObject
    workflow: None
    workflow_api: None
    workflow_id: str
    output: list[OutputFile] | JSONObject | None = Field(
        description="Null until the run has ended; a list of files when it COMPLETED, an object that says why on ERROR."
    )
    error: JSONObject | None = Field(description="Null; with `extended=1`, why the run failed.")
    files: dict[str, str]
    name: str | None
    tags: list[str]
    view_count: int
    download_count: int
    is_nsfw: bool
    user_id: str
    device: str | None
    accelerator: str | None
    visibility: str
    parent_workflow_id: None
    parent_run_id: None
    api_key_id: str | None
    retry_count: int
    client_agent: str | None
    webhook: str | None
    project_id: None
    user: User
    metadata: JSONObject


class WorkflowObject(_Wire):
    """A workflow, in ComfyICU's shape."""

    id: str
    name: str
    description: str | None
    created_at: str
    updated_at: str
    tags: list[str]
    is_nsfw: bool
    visibility: str
    user_id: str
    current_run_id: str | None
    models: list[Any]
    accelerator: str | None
    project_id: None
    deleted_at: None
    featuredImages: list[Any]  # noqa: N815  its name on the wire


class UploadObject(_Wire):
    """An uploaded file; its URL can be used in `files` and as an input."""

    id: str
    sha256: str
    filename: str
    media_type: str
    size_bytes: int
    url: str
    created_at: str


class Health(_Wire):
    """How the service is."""

    status: str


class Features(_Wire):
    """Which service this is."""

    service: str = Field(examples=["comfypipe"])
    accelerators: list[str]
    features: list[str]
