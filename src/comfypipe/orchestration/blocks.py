"""Prefect blocks: what a deployment keeps on Prefect's server instead of in code."""

import re

import httpx
from prefect.blocks.abstract import CredentialsBlock
from pydantic import ConfigDict, Field, SecretStr, field_validator

COMFYICU_URL = "https://comfy.icu/api/v1"


class ComfyICUCredentials(CredentialsBlock):
    """
    The key to a ComfyICU account, or to a service that speaks its protocol.

    Example:
        ```python
        credentials = await ComfyICUCredentials.aload("production")
        async with credentials.get_client() as client:
            reply = await client.get("/workflows")
        ```
    """

    _block_type_name = "ComfyICU Credentials"
    _block_type_slug = "comfyicu-credentials"
    _description = "Key to a ComfyICU account, or to a service that speaks its protocol."

    model_config = ConfigDict(hide_input_in_errors=True)  # a key that is refused is a key all the same

    api_key: SecretStr = Field(default=..., title="API key", description="Sent as a bearer token.")
    base_url: str = Field(
        default=COMFYICU_URL, title="Base URL", description="Where the runs API answers.", pattern=r"^https?://\S+$"
    )

    workflow_id: str | None = Field(
        default=None,
        title="Workflow id",
        description="Which workflow runs go to, where the project does not say.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$",
    )

    @field_validator("api_key")
    @classmethod
    def _check_key(cls, key: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[!-~]+", key.get_secret_value()):
            raise ValueError("a key is made of visible ASCII characters")
        return key

    def get_settings(self) -> dict[str, str]:
        """Return what the backend needs beside its URL; the key is part of it, and not for showing."""
        found = {"key": self.api_key.get_secret_value()}
        return found | ({"workflow_id": self.workflow_id} if self.workflow_id else {})

    @property
    def backend_url(self) -> str:
        """The URL that runs go to: ``comfyicu:``, or ``comfyicu+`` before the base URL of another service."""
        return "comfyicu:" if self.base_url.rstrip("/") == COMFYICU_URL else f"comfyicu+{self.base_url.rstrip('/')}"

    def get_client(self, timeout_s: float = 30.0) -> httpx.AsyncClient:
        """
        Return an HTTP client that sends the key with every request. Use it with ``async with``.

        Redirects are not followed: they would carry the key elsewhere.
        """
        key = self.api_key.get_secret_value()
        return httpx.AsyncClient(
            base_url=self.base_url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=timeout_s,
            follow_redirects=False,
        )
