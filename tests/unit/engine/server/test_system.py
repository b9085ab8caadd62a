"""The routes about the server itself."""

import httpx
import pytest
from tests.unit.engine.server.client import ended, post, prompt, status

from comfypipe.engine.executor import Engine


def test_object_info(client: httpx.Client, engine: Engine) -> None:
    """All classes, one, and none for an unknown one."""
    assert engine.object_info().to_json() == client.get("/object_info").json()
    assert {"Save"} == set(client.get("/api/object_info/Save").json())
    assert {} == client.get("/object_info/NoSuch").json()


def test_free_forgets_results(client: httpx.Client, engine: Engine) -> None:
    """Only where memory is to be freed."""
    ended(client, post(client, prompt(1))["prompt_id"])
    client.post("/free", json={"unload_models": True})
    assert 2 == len(engine.cache)
    assert (200, b"") == status(client, "/free", {"free_memory": True})
    assert 0 == len(engine.cache)


def test_small_routes(client: httpx.Client) -> None:
    """Features, models, embeddings, extensions."""
    assert {"supports_preview_metadata": True, "max_upload_size": 104857600} == client.get("/features").json()
    assert "checkpoints" in client.get("/models").json()
    assert [] == client.get("/models/checkpoints").json()
    assert 404 == client.get("/models/no-such-folder").status_code
    assert 404 == client.get("/models/..%2F..").status_code
    assert ([], []) == (client.get("/embeddings").json(), client.get("/extensions").json())


def test_model_files_are_listed(client: httpx.Client, engine: Engine) -> None:
    """Files below ``models``, by their path in the folder; embeddings without suffix."""
    models = engine.folders.input.parent / "models"
    for name in ("checkpoints/sd/one.safetensors", "embeddings/easy.pt"):
        (models / name).parent.mkdir(parents=True)
        (models / name).touch()
    assert ["sd/one.safetensors"] == client.get("/models/checkpoints").json()
    assert ["easy"] == client.get("/embeddings").json()


@pytest.mark.parametrize("path", ["/queue", "/system_stats", "/object_info", "/history", "/features", "/prompt"])
def test_prefix_api(client: httpx.Client, path: str) -> None:
    """Every route answers under ``/api`` as well."""
    assert client.get(path).json().keys() == client.get(f"/api{path}").json().keys()
