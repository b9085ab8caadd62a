"""Blocks, kept on a real Prefect server."""

import asyncio
from pathlib import Path

import httpx
import pytest
from prefect.blocks.core import Block
from pydantic import SecretStr, ValidationError
from tests.flows.prefect_server import PrefectServer

from comfypipe.backends.comfyicu import ComfyICUBackend
from comfypipe.errors import UsageError
from comfypipe.orchestration import ComfyICUCredentials, open_project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def test_a_key_is_kept_and_not_shown(prefect_api: PrefectServer) -> None:
    """A credentials block comes back from the server as it was stored, by its type's slug, and never shows its key."""
    block = ComfyICUCredentials(api_key=SecretStr("sk-very-secret"), base_url="https://runs.example/api/v1")
    block.save("production", overwrite=True)
    loaded = Block.load("comfyicu-credentials/production")
    assert isinstance(loaded, ComfyICUCredentials)
    assert ("sk-very-secret", "https://runs.example/api/v1") == (loaded.api_key.get_secret_value(), loaded.base_url)
    assert "very-secret" not in f"{loaded!r} {loaded} {loaded.model_dump_json()}"


def test_a_project_names_the_block_that_holds_its_key(prefect_api: PrefectServer, tmp_path: Path) -> None:
    """Flows open the backend with the key of the block; one that is not there is named."""
    ComfyICUCredentials(api_key=SecretStr("sk-of-block"), workflow_id="w1").save("hosted", overwrite=True)
    settings = '[tool.comfypipe.backends]\nours = {url = "comfyicu:", block = "%s"}\n'

    async def headers() -> str:
        async with open_project(tmp_path) as project:
            backend = project.backends.get("ours")
            assert isinstance(backend, ComfyICUBackend)
            assert "comfyicu:" == backend.url
            return str(backend._api._client.headers["Authorization"])

    (tmp_path / "pyproject.toml").write_text(settings % "hosted")
    assert "Bearer sk-of-block" == asyncio.run(headers())
    (tmp_path / "pyproject.toml").write_text(settings % "missing")
    with pytest.raises(UsageError, match="comfyicu-credentials/missing"):
        asyncio.run(headers())


def test_the_client_sends_the_key() -> None:
    """Requests of the block's client go to its address, with the key as a bearer token, and follow no redirect."""
    credentials = ComfyICUCredentials(api_key=SecretStr("k"), base_url="https://runs.example/api/v1")

    async def scenario() -> httpx.Request:
        async with credentials.get_client() as client:
            assert not client.follow_redirects
            return client.build_request("GET", "/workflows")

    request = asyncio.run(scenario())
    assert ("https://runs.example/api/v1/workflows", "Bearer k") == (str(request.url), request.headers["Authorization"])


@pytest.mark.parametrize("url", ["runs.example", "ftp://runs.example", "https:// x"])
def test_an_address_is_checked(url: str) -> None:
    """What is no http address is refused when the block is made."""
    with pytest.raises(ValidationError):
        ComfyICUCredentials(api_key=SecretStr("k"), base_url=url)


@pytest.mark.parametrize("key", ["", "sk-…", "sk secret", "sk-secret\n"])
def test_a_key_that_no_request_can_carry_is_refused_and_not_shown(key: str) -> None:
    """A key with other than visible ASCII characters is refused when the block is made; the error does not show it."""
    with pytest.raises(ValidationError, match="visible ASCII") as caught:
        ComfyICUCredentials.model_validate({"api_key": key})
    assert "secret" not in str(caught.value)


def test_the_server_knows_the_block_by_itself(prefect_api: PrefectServer, tmp_path: Path) -> None:
    """The package's entry point offers the block to Prefect: its form is there without any command."""
    assert "comfyicu-credentials" in prefect_api.prefect("block", "type", "ls", cwd=tmp_path)
