"""``/api/jobs``, which newer servers have."""

import httpx
from tests.unit.engine.server.client import Gate, ended, jobs, post, prompt

from comfypipe.engine.executor import Engine
from comfypipe.engine.server.serve import serving


def test_life_of_a_job(client: httpx.Client, gate: Gate) -> None:
    """Pending, in progress, completed: the same id, more fields."""
    post(client, prompt(1, through="Gate"), prompt_id="runs")
    post(client, prompt(2), prompt_id="waits")
    assert gate.entered.wait(10)
    assert [("waits", "pending"), ("runs", "in_progress")] == jobs(client)
    gate.opened.set()
    ended(client, "waits")
    job = client.get("/api/jobs/runs").json()
    assert ("completed", 1) == (job["status"], job["outputs_count"])
    assert {"execution_start_time", "execution_end_time", "outputs", "workflow", "execution_status"} <= set(job)
    assert [("waits", "completed")] == jobs(client, "?limit=1")
    assert [("runs", "completed")] == jobs(client, "?limit=1&offset=1&status=completed,failed")
    assert [] == jobs(client, "?status=pending")


def test_failed_and_cancelled(client: httpx.Client, gate: Gate) -> None:
    """Both have a status of their own."""
    post(client, prompt(1, through="Fail"), prompt_id="fails")
    post(client, prompt(2, through="Gate"), prompt_id="cancelled")
    assert gate.entered.wait(10)
    assert {"cancelled": True} == client.post("/api/jobs/cancelled/cancel").json()
    ended(client, "cancelled")
    assert [("cancelled", "cancelled"), ("fails", "failed")] == jobs(client)
    assert "ValueError" == client.get("/api/jobs/fails").json()["execution_error"]["exception_type"]


def test_cancelling_several(client: httpx.Client, gate: Gate) -> None:
    """Waiting ones are gone; ended and unknown ones do not matter."""
    post(client, prompt(1, through="Gate"), prompt_id="runs")
    post(client, prompt(2), prompt_id="waits")
    assert {"cancelled": True} == client.post("/api/jobs/cancel", json={"job_ids": ["waits", "unknown"]}).json()
    assert {"cancelled": False} == client.post("/api/jobs/cancel", json={"job_ids": ["waits"]}).json()
    assert [400, 400] == [client.post("/api/jobs/cancel", content=each).status_code for each in (b"{}", b"[")]


def test_unknown_job(client: httpx.Client) -> None:
    """404; nonsense in the query 400."""
    assert 404 == client.get("/api/jobs/unknown").status_code
    assert 404 == client.post("/api/jobs/unknown/cancel").status_code
    assert 400 == client.get("/api/jobs?status=odd").status_code
    assert 400 == client.get("/api/jobs?limit=x").status_code


def test_not_there_unless_asked_for(engine: Engine) -> None:
    """ComfyUI 0.3.64 has none: 404."""
    with serving(engine) as url:
        assert 404 == httpx.get(f"{url}/api/jobs").status_code
