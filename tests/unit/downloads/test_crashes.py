"""Downloads and the death of their process, memory, and a full disk."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.unit.downloads.file_server import FileServer, Served

SIZE_BYTES = 100_000_000
CYCLES = 50

MEASURE = """
import asyncio, resource, sys
from pathlib import Path
from tests.unit.downloads.fetching import fetch

def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

asyncio.run(fetch(Path(sys.argv[1]) / "small", sys.argv[2], sys.argv[3]))
before = peak_bytes()
asyncio.run(fetch(Path(sys.argv[1]) / "large", sys.argv[2], sys.argv[4]))
print(peak_bytes() - before)
"""


@contextmanager
def forking(folder: Path, server: FileServer, path: str, root: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the program that forks a process for each download."""
    command = [sys.executable, "-m", "tests.unit.downloads.fetching", str(folder), server.origin, server.url(path)]
    program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)
    try:
        yield program
    finally:
        program.communicate(timeout=30)


def line(program: subprocess.Popen[str], *, tell: str = "") -> str:
    """Tell the program something and read its next line."""
    assert program.stdin is not None
    assert program.stdout is not None
    if tell:
        program.stdin.write(tell)
        program.stdin.flush()
    return program.stdout.readline().strip()


def is_absent_or_right(path: Path, digest: str) -> bool:
    """Whether a file is not there, or whole."""
    return not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() == digest


def arrived(folder: Path) -> int:
    """Return how many bytes of the unfinished file are on the disk."""
    return sum(path.stat().st_size for path in (folder / "cache/partial").glob("*") if path.suffix != ".json")


def wait_for(condition: Callable[[], bool]) -> None:
    """Return when something holds; fail when it does not soon."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.slow
def test_killed_downloads_leave_nothing_half(server: FileServer, tmp_path: Path, root: Path) -> None:
    """Killed 50 times amid 100 MB, a file is absent or right each time; what had arrived is not sent again."""
    content = random.Random(1).randbytes(SIZE_BYTES)  # noqa: S311
    digest = hashlib.sha256(content).hexdigest()
    server.files["/x.bin"] = Served(content, etag='"v1"')
    draw = random.Random(2)  # noqa: S311
    place = tmp_path / "ComfyUI/models/checkpoints/x.bin"
    cached = tmp_path / "cache/files" / digest[:2] / digest[2:]
    stop = threading.Event()
    kill_at = 0

    def pause(sent: int) -> None:
        if sent >= kill_at:
            reached.set()
            stop.wait(20)

    server.on_sent = pause
    with forking(tmp_path, server, "/x.bin", root) as program:
        for cycle in range(CYCLES):
            reached = threading.Event()
            stop.clear()
            amount, before = draw.randint(0, 3 * SIZE_BYTES // CYCLES), arrived(tmp_path)
            kill_at = server.sent + amount
            child = int(line(program, tell="go\n"))
            assert reached.wait(20) or place.exists()
            if cycle % 2 and amount > 2 << 20:  # what was sent lies in the system's buffers until the process has it
                wait_for(lambda before=before: arrived(tmp_path) > before or place.exists())  # type: ignore[misc]
            with suppress(ProcessLookupError):  # it was done before
                os.kill(child, signal.SIGKILL)
            stop.set()
            told = [line(program)]
            while told[-1] != "ended":
                told.append(line(program))
            assert is_absent_or_right(place, digest)
            assert is_absent_or_right(cached, digest)
        server.on_sent = None
        line(program, tell="go\n")
        assert [f"done {digest}", "ended"] == [line(program), line(program)]
    assert digest == hashlib.sha256(place.read_bytes()).hexdigest()
    assert place.samefile(cached)
    starts = [int(each.get("range", "bytes=0-")[6:-1]) for each in server.asked("/x.bin")]
    assert sorted(starts) == starts
    assert starts[-1] > 0
    assert [] == list((tmp_path / "cache/partial").iterdir())
    assert ["x.bin"] == [path.name for path in place.parent.iterdir()]


def test_killed_while_it_settles(server: FileServer, tmp_path: Path, root: Path) -> None:
    """Killed at any moment around the end, when a file is hashed, settled and linked, it is absent or right."""
    content = random.Random(3).randbytes(3_000_000)  # noqa: S311
    digest = hashlib.sha256(content).hexdigest()
    server.files["/x.bin"] = Served(content, etag='"v1"')
    draw = random.Random(4)  # noqa: S311
    place = tmp_path / "ComfyUI/models/checkpoints/x.bin"
    cached = tmp_path / "cache/files" / digest[:2] / digest[2:]
    with forking(tmp_path, server, "/x.bin", root) as program:
        for _ in range(20):
            place.unlink(missing_ok=True)
            cached.unlink(missing_ok=True)
            server.sent = 0
            child = int(line(program, tell="go\n"))
            deadline = time.monotonic() + 5
            while server.sent < len(content) and not place.exists() and time.monotonic() < deadline:
                time.sleep(0.0005)
            time.sleep(draw.random() * 0.02)
            with suppress(ProcessLookupError):  # it was done before
                os.kill(child, signal.SIGKILL)
            while line(program) != "ended":
                pass
            assert is_absent_or_right(place, digest)
            assert is_absent_or_right(cached, digest)
        line(program, tell="go\n")
        assert f"done {digest}" == line(program)


def test_memory_stays_flat(server: FileServer, tmp_path: Path, root: Path) -> None:
    """Streaming 100 MB takes no more memory than a few batches over what a small file takes."""
    server.files["/small"] = Served(os.urandom(100_000), etag='"v1"')
    server.files["/large"] = Served(bytes(SIZE_BYTES), etag='"v1"')
    command = [sys.executable, "-c", MEASURE, str(tmp_path), server.origin, server.url("/small"), server.url("/large")]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert int(result.stdout) < 16 << 20


MOUNT = 'mount -t tmpfs -o size=4m tmpfs "$1" && cd "$3" && exec "$2" -c "$4" "$1" "$5" "$6"'
FILL = """
import asyncio, sys
from pathlib import Path
from comfypipe.errors import StoreError
from tests.unit.downloads.fetching import fetch

folder = Path(sys.argv[1])
try:
    asyncio.run(fetch(folder, sys.argv[2], sys.argv[3]))
except StoreError as error:
    print(error.message.replace(str(folder), "DISK"))
print([path.name for path in folder.rglob("*") if path.is_file() and path.stat().st_size])
"""


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_full_disk_is_a_clear_error(server: FileServer, tmp_path: Path, root: Path, framing: str) -> None:
    """On a disk without room a download, of known length or not, is an error that says so; nothing is left over."""
    try:
        probe = subprocess.run(["unshare", "--map-root-user", "--mount", "true"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("needs unshare, to mount a small disk")
    if probe.returncode:
        pytest.skip("this machine does not let a test mount a small disk")
    server.files["/x.bin"] = Served(bytes(8_000_000), etag='"v1"', framing=framing)
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", str(tmp_path), sys.executable]
    values = [str(root), FILL, server.origin, server.url("/x.bin")]
    result = subprocess.run([*command, *values], capture_output=True, text=True, check=False)
    messages = {
        "length": "no room for 8.0 MB in DISK/cache/partial: ",
        "chunked": "cannot write to DISK/cache/partial/",
    }
    first, left = result.stdout.splitlines()
    assert (True, "[]", "") == (first.startswith(messages[framing]), left, result.stderr)
