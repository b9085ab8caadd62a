"""Servers for tests: in a thread, and in a process that can be killed."""

from pathlib import Path

import pytest

from comfypipe.errors import BackendUnavailable, UsageError
from comfypipe.testing import engine_process, engine_server, node, picture_prompt
from comfypipe.testing.servers import EngineProcess, get_json, post_json


def ended(url: str, prompt: object) -> None:
    """Submit a prompt and wait for its end."""
    prompt_id = post_json(f"{url}/prompt", {"prompt": prompt})["prompt_id"]
    while not get_json(f"{url}/history/{prompt_id}"):
        pass


def test_thread_keeps_its_files_in_a_folder_or_in_none(tmp_path: Path) -> None:
    """A folder that is named stays; a temporary one goes with the server."""
    with engine_server(tmp_path / "here") as server:
        ended(server.url, picture_prompt(1))
    assert 1 == len(list((tmp_path / "here" / "output").rglob("*.png")))
    with engine_server() as other:
        ended(other.url, picture_prompt(1))
        assert other.folder.is_dir()
    assert not other.folder.exists()


def test_thread_counts_by_content() -> None:
    """The same prompt under two ids counts twice, another not at all."""
    prompt = picture_prompt(1)
    with engine_server() as server:
        ended(server.url, prompt)
        ended(server.url, prompt)
        assert (2, 0) == (server.times_executed(prompt), server.times_executed(picture_prompt(2)))


def test_thread_refuses_a_fault_that_there_is_not() -> None:
    """Before anything is started."""
    with pytest.raises(UsageError, match="there is no fault"), engine_server(faults=["nothing"]):
        pass


def test_process_is_killed_and_comes_back(tmp_path: Path) -> None:
    """On the same port, with nothing in its queue and history, and its files where they were."""
    with engine_process(tmp_path, faults=["queued-500=nth:9"], jobs_api=True) as server:
        url = server.url
        ended(url, picture_prompt(1))
        assert [1] == list(server.executions()["by_digest"].values())
        assert {"jobs", "pagination"} == set(get_json(f"{url}/api/jobs"))
        assert ["queued-500"] == [each["name"] for each in get_json(f"{url}/comfypipe/faults")["faults"]]
        server.restart()
        assert (url, {}) == (server.url, get_json(f"{url}/history"))
        assert [] == server.executions()["executions"]
    assert 1 == len(list((tmp_path / "output").rglob("*.png")))


def test_process_that_does_not_start(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Says so; the reason is on stderr."""
    with pytest.raises(BackendUnavailable, match="did not start"):
        EngineProcess(tmp_path, ["--fault", "nothing"]).start()
    assert 'there is no fault "nothing"' in capfd.readouterr().err


def test_models_can_be_stood_in_for() -> None:
    """Both kinds of server then have the loaders of models, and run what they load."""
    prompt = {"1": node("CheckpointLoaderSimple", ckpt_name="a.safetensors"), "2": node("PreviewAny", source=["1", 0])}
    with engine_server(simulate=True, faults=["slow-models=ms:1"]) as server:
        ended(server.url, prompt)
        assert {"a.safetensors": 1} == server.executions.model_loads()
    with engine_process(simulate=True) as process:
        ended(process.url, prompt)
        assert ["success"] == [each["status"] for each in process.executions()["executions"]]
