"""After kill -9 at any moment, over real sockets: nothing is lost, nothing is executed twice, nothing ends wrongly."""

import json
import random
from pathlib import Path

import pytest
from tests.e2e.cycles import Arena, Cycle, make_project
from tests.e2e.kill_report import write_report

from comfypipe.testing import engine_process

CYCLES, COMMANDS = 46, 4


def killed(tmp_path: Path, count: int, seed: int, commands: float) -> list[Cycle]:
    """Return *count* cycles, and those that outran their kill."""
    with engine_process(tmp_path / "server", faults=["slow-runs=always,ms:30"]) as server:
        project = make_project(tmp_path / "project", server.url)
        luck = random.Random(seed)  # noqa: S311
        return list(Arena(project, server, luck, commands, reports=tmp_path / "reports").cycles(count))


@pytest.mark.slow
@pytest.mark.timeout(600)  # below a minute alone, more where many tests run beside it
@pytest.mark.parametrize(("count", "seed", "commands"), [(CYCLES, 20_261_122, 0.0), (COMMANDS, 7, 1.0)])
def test_killed_clients_lose_and_double_nothing(tmp_path: Path, count: int, seed: int, commands: float) -> None:
    """Programs and commands that are killed at named points and at random end as if nothing had happened."""
    cycles = killed(tmp_path, count, seed, commands)
    assert [] == [each.to_json() for each in cycles if each.problems]
    assert count == sum(each.kills > 0 for each in cycles)


@pytest.mark.slow
def test_the_report_of_a_cycle_says_all(tmp_path: Path) -> None:
    """Rows of the ledger, what the server executed and remembers, the files, and what the clients passed."""
    with engine_process(tmp_path / "server", faults=["slow-runs=always,ms:30"]) as server:
        project = make_project(tmp_path / "project", server.url)
        cycle = Arena(project, server, random.Random(3), commands=1.0).cycle(1)  # noqa: S311
        told = tmp_path / "told" / "1.txt"
        write_report(tmp_path / "report", cycle.to_json(), 1, project, server, told)
    found = {path.name: json.loads(path.read_text()) for path in (tmp_path / "report").glob("*.json")}
    assert cycle.to_json() == found["cycle.json"]
    executed = {each["prompt_id"] for each in found["server.json"]["executions"]}
    assert (
        executed
        == set(found["server.json"]["history"])
        == {each["prompt_id"] for each in found["ledger.json"]["attempts"]}
    )
    assert cycle.executed == len(executed)
    assert {"image.png", "image.json"} <= {Path(each["path"]).name for each in found["disk.json"]["files"]}
    assert 1 + len(cycle.ways) == (tmp_path / "report" / "clients.txt").read_text().count(" -m comfypipe run ")
