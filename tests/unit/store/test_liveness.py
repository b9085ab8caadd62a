"""Whether a process is still there."""

import subprocess
import sys
from pathlib import Path

from comfypipe.store.liveness import Owner, is_alive

HOLD = (
    "import sys; from pathlib import Path; from comfypipe.store.liveness import Owner\n"
    "owner = Owner(Path(sys.argv[1])); print(owner.id, flush=True); sys.stdin.read()"
)


def test_an_open_owner_is_alive_and_a_closed_one_is_not(tmp_path: Path) -> None:
    """An owner counts as alive until it is closed, and leaves nothing behind."""
    owner = Owner(tmp_path / "locks")
    assert is_alive(tmp_path / "locks", owner.id)
    owner.close()
    assert not is_alive(tmp_path / "locks", owner.id)
    assert [] == list((tmp_path / "locks").iterdir())


def test_a_name_that_never_was_is_dead(tmp_path: Path) -> None:
    """Asking for an unknown owner makes none."""
    assert not is_alive(tmp_path, "nobody")
    assert [] == list(tmp_path.iterdir())


def test_a_killed_process_is_dead(tmp_path: Path) -> None:
    """Another process is alive while it runs; after kill -9 it is dead, and its lock is removed."""
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        alive = is_alive(tmp_path, name)
        process.kill()
    assert (True, False) == (alive, is_alive(tmp_path, name))
    assert [] == list(tmp_path.iterdir())


def test_being_asked_for_does_not_kill(tmp_path: Path) -> None:
    """A look from another process, however often, leaves the owner alive."""
    owner = Owner(tmp_path)
    look = (
        "import sys; from pathlib import Path; from comfypipe.store.liveness import is_alive\n"
        "print([is_alive(Path(sys.argv[1]), sys.argv[2]) for _ in range(3)])"
    )
    result = subprocess.run(
        [sys.executable, "-c", look, tmp_path, owner.id], capture_output=True, text=True, check=True
    )
    assert "[True, True, True]\n" == result.stdout
    owner.close()
