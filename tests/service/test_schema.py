"""What the service says of itself, and what it does: Schemathesis, with all its checks, finds nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.service.client import served
from tests.service.keys import make_keys

from comfypipe.service.settings import ServiceSettings

EXAMPLES = "12"
SETTINGS = Path(__file__).with_name("schemathesis.toml")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    """Of some thousand requests, right ones and wrong ones, every answer is as the document says, and none is a 5xx."""
    settings = ServiceSettings(tmp_path / "service", upload_bytes=1 << 20)
    key = make_keys(settings, "acme")[0]
    with served(settings, key) as client:
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS), "run"]
        command += [f"{client.base_url}/openapi.json", "--checks", "all", "--header", f"Authorization: Bearer {key}"]
        command += ["--max-examples", EXAMPLES, "--seed", "20261122", "--continue-on-failure", "--no-color"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert 0 == done.returncode, done.stdout[-6000:] + done.stderr[-2000:]


def test_every_route_says_what_its_errors_look_like(tmp_path: Path) -> None:
    """The document has the error shape for every route's errors, and an example or schema for every body."""
    with served(ServiceSettings(tmp_path / "service", authenticate=False)) as client:
        document = client.http.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            shapes = {
                status: reply["content"]["application/json"]["schema"]["$ref"]
                for status, reply in route["responses"].items()
                if status >= "400" and "content" in reply
            }
            assert {"#/components/schemas/ErrorBody"} >= set(shapes.values()), (method, path, shapes)
