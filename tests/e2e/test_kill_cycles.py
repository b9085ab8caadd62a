"""After kill -9 at any moment, over real sockets: nothing is lost, nothing is executed twice, nothing ends wrongly."""

import random
from pathlib import Path

import pytest
from tests.e2e.cycles import Arena, Cycle, make_project

from comfypipe.testing import engine_process

CYCLES, COMMANDS = 46, 4


def killed(tmp_path: Path, count: int, seed: int, commands: float) -> list[Cycle]:
    """Return *count* cycles, and those that outran their kill."""
    with engine_process(tmp_path / "server", faults=["slow-runs=always,ms:30"]) as server:
        project = make_project(tmp_path / "project", server.url)
        return list(Arena(project, server, random.Random(seed), commands).cycles(count))  # noqa: S311


@pytest.mark.slow
@pytest.mark.timeout(600)  # below a minute alone, more where many tests run beside it
@pytest.mark.parametrize(("count", "seed", "commands"), [(CYCLES, 20_261_122, 0.0), (COMMANDS, 7, 1.0)])
def test_killed_clients_lose_and_double_nothing(tmp_path: Path, count: int, seed: int, commands: float) -> None:
    """Programs and commands that are killed at named points and at random end as if nothing had happened."""
    cycles = killed(tmp_path, count, seed, commands)
    assert [] == [each.to_json() for each in cycles if each.problems]
    assert count == sum(each.kills > 0 for each in cycles)
