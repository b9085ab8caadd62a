"""Limits of a running service: how often, how large, how deep."""

import json
import resource
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from tests.service.client import client_of, served
from tests.service.process import ServeProcess, serve_process
from tests.service.tenants import make_key, operations

from comfypipe.service.app import create_app
from comfypipe.service.settings import ServiceSettings

MIB = 1024 * 1024
WITH_BODY = [each for each in operations(create_app(ServiceSettings(Path("unused"))).openapi()) if each.has_body]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    """Serve without keys, from a process of its own."""
    with serve_process(tmp_path_factory.mktemp("service") / "data", "--no-auth") as found:
        yield found


def test_a_key_that_asks_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    """429 in the API's shape, with ``Retry-After``; another key of the same tenant is not concerned."""
    settings = replace(ServiceSettings(tmp_path / "data"), requests_per_s=0.1)
    one, other = make_key(settings, "anna"), make_key(settings, "anna")
    with served(settings, one) as client:
        replies = [client.http.get("/workflows") for _ in range(2)]
        assert [200, 429] == [each.status_code for each in replies]
        assert {"error": "rate-limited", "message": "too many requests: try again in 10 s"} == replies[1].json()
        assert "10" == replies[1].headers["retry-after"]
        headers = {"Authorization": f"Bearer {other}"}
        assert 200 == client.http.get("/workflows", headers=headers).status_code


def rss_bytes(process_id: int) -> int:
    """Return how much memory a process has."""
    status = Path(f"/proc/{process_id}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def post_chunks(url: str, ready: threading.Barrier, total_bytes: int) -> int:
    """POST a chunked body until it is answered or complete, all at once with others; return the status."""
    parts = urlsplit(url)
    assert parts.hostname
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    chunk = f"{MIB:x}\r\n".encode() + b"1" * MIB + b"\r\n"
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=120) as connection:
        connection.sendall(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        ready.wait()
        for _ in range(total_bytes // MIB):
            connection.sendall(chunk)
        connection.sendall(b"0\r\n\r\n")
        return int(connection.recv(64).split()[1])


@pytest.mark.slow
def test_a_hundred_huge_bodies_leave_the_memory_alone(service: ServeProcess) -> None:
    """All are answered 413, and what the service needs for it at the most is 50 MB more than before."""
    assert service.process is not None
    url = f"{service.base_url}/workflows/w/runs"
    assert 400 == httpx.post(url, json={}, trust_env=False).status_code  # everything that is imported late has been
    before, ready, answered = rss_bytes(service.process.pid), threading.Barrier(100), []

    def post() -> None:
        answered.append(post_chunks(url, ready, 20 * MIB))

    threads = [threading.Thread(target=post) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    grown = rss_bytes(service.process.pid) - before
    assert [413] * 100 == answered
    assert grown <= 50_000_000, f"{grown / 1e6:.0f} MB"


def test_a_hundred_megabytes_of_json_are_refused(service: ServeProcess) -> None:
    """Declared or chunked, a client that sends all of it reads 413 in the API's shape."""
    body = b'{"prompt": "' + b"x" * (100 * MIB) + b'"}'
    pieces = (body[start : start + MIB] for start in range(0, len(body), MIB))
    for content in (body, pieces):
        reply = httpx.post(
            f"{service.base_url}/workflows/w/runs",
            content=content,
            headers={"Content-Type": "application/json"},
            timeout=60,
            trust_env=False,
        )
        assert (413, "too-large") == (reply.status_code, reply.json()["error"])


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"a":' * 200_000, b"[" * 5000 + b"]" * 5000], ids=["[", "{", "[]"])
@pytest.mark.parametrize("operation", [each for each in WITH_BODY if each.method == "POST"], ids=str)
def test_deep_json_is_refused_everywhere(service: ServeProcess, operation: object, body: bytes) -> None:
    """JSON that nests without end is a bad request at every endpoint, and the service goes on."""
    path = str(operation).split(" ")[1].format(workflow_id="w", run_id="r", webhook_id="m", secret_id="s")  # noqa: S106
    reply = httpx.post(
        f"{service.url}{path}", content=body, headers={"Content-Type": "application/json"}, trust_env=False
    )
    assert reply.status_code in (400, 422), reply.text
    assert {"error", "message"} <= set(json.loads(reply.content))
    with client_of(service.url) as client:
        assert 200 == client.http.get("/workflows").status_code


def test_it_opens_as_many_files_as_it_may(tmp_path: Path) -> None:
    """A shell's small limit is raised: connections to receivers count as files."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, most))
    try:
        with serve_process(tmp_path / "data", "--no-auth") as service:
            assert service.process
            soft, _ = resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert min(1 << 16, most) == soft
