"""Stored files: whole, right, or not there."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.store.limits import file_size_limit

from comfypipe.errors import ArtifactCorrupt, ArtifactMissing, StoreError
from comfypipe.store.artifacts import Artifact, ArtifactStore
from comfypipe.store.files import write_whole

HELLO = hashlib.sha256(b"hello").hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """Return a store whose folder does not exist yet."""
    return ArtifactStore(tmp_path / "artifacts")


def write(path: Path, content: bytes = b"hello") -> Path:
    """Return *path* with *content* in it."""
    path.write_bytes(content)
    return path


def files_in(folder: Path) -> list[str]:
    """Return the files below *folder*, relative to it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_file_is_stored_under_the_digest_of_its_bytes(store: ArtifactStore, tmp_path: Path) -> None:
    """What was put is found by the SHA-256 of its content, byte for byte."""
    artifact = store.put(write(tmp_path / "a.txt"))
    assert Artifact(HELLO, 5) == artifact
    assert b"hello" == store.path(HELLO).read_bytes()
    assert store.path(HELLO) == store.verify(HELLO)


def test_the_same_bytes_are_kept_once(store: ArtifactStore, tmp_path: Path) -> None:
    """Two files with the same bytes take one place, and nothing half-written is left beside it."""
    store.put(write(tmp_path / "a.txt"))
    store.put(write(tmp_path / "b.txt"))
    assert [f"{HELLO[:2]}/{HELLO[2:]}"] == files_in(tmp_path / "artifacts")


def test_a_missing_file_is_named(store: ArtifactStore) -> None:
    """Asking for what is not there says so, with the digest."""
    with pytest.raises(ArtifactMissing, match=HELLO[:12]):
        store.path(HELLO)


def test_a_changed_file_is_found_out(store: ArtifactStore, tmp_path: Path) -> None:
    """A stored file whose bytes were changed is corrupt; its size being right does not help it."""
    store.put(write(tmp_path / "a.txt"))
    store.path(HELLO).write_bytes(b"hellO")
    with pytest.raises(ArtifactCorrupt):
        store.verify(HELLO)


def test_putting_a_damaged_file_again_mends_it(store: ArtifactStore, tmp_path: Path) -> None:
    """A stored file that went bad is replaced when the same bytes are stored again."""
    store.put(write(tmp_path / "a.txt"))
    store.path(HELLO).write_bytes(b"hel")
    store.put(tmp_path / "a.txt")
    assert b"hello" == store.verify(HELLO).read_bytes()


def test_an_export_is_a_copy(store: ArtifactStore, tmp_path: Path) -> None:
    """Changing an exported file does not change the stored one."""
    store.put(write(tmp_path / "a.txt"))
    store.export(HELLO, tmp_path / "out" / "greeting.txt")
    (tmp_path / "out" / "greeting.txt").write_bytes(b"changed")
    assert b"hello" == store.verify(HELLO).read_bytes()


def test_what_is_not_adopted_is_removed(store: ArtifactStore, tmp_path: Path) -> None:
    """A file that was being received when an error came leaves nothing behind."""

    def receive_half() -> None:
        with store.incoming() as path:
            path.write_bytes(b"half")
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        receive_half()
    assert [] == files_in(tmp_path / "artifacts")


def test_leftovers_of_killed_processes_are_swept(store: ArtifactStore, tmp_path: Path) -> None:
    """A half-received file from days ago goes when the next one comes; a fresh one may still be in use."""
    incoming = tmp_path / "artifacts" / "incoming"
    incoming.mkdir(parents=True)
    os.utime(write(incoming / "old"), (0, 0))
    write(incoming / "fresh")
    store.put(write(tmp_path / "a.txt"))
    assert ["fresh"] == files_in(incoming)


def test_a_full_disk_is_an_error_that_leaves_nothing(store: ArtifactStore, tmp_path: Path) -> None:
    """When the disk is full the error says so, says what to do, and no part of the file is left."""
    source = write(tmp_path / "big", b"x" * 4096)
    with file_size_limit(1024), pytest.raises(StoreError, match="free some space"):
        store.put(source)
    assert [] == files_in(tmp_path / "artifacts")


def test_a_full_disk_leaves_an_existing_file_as_it_was(tmp_path: Path) -> None:
    """Writing over a file either succeeds as a whole or changes nothing."""
    target = write(tmp_path / "a.json", b"old")
    with file_size_limit(1024), pytest.raises(StoreError):
        write_whole(target, b"x" * 4096)
    assert b"old" == target.read_bytes()
    assert ["a.json"] == files_in(tmp_path)


def test_an_unreadable_source_is_named(store: ArtifactStore, tmp_path: Path) -> None:
    """A source that is not there is an error that names it."""
    with pytest.raises(StoreError, match=r"absent\.png"):
        store.put(tmp_path / "absent.png")


def test_a_process_killed_while_storing_leaves_no_file_under_a_name(tmp_path: Path) -> None:
    """After kill -9 amid a large file it is, under its name, whole, or not there."""
    source = write(tmp_path / "big", os.urandom(1 << 20) * 64)
    program = (
        "import sys; from pathlib import Path; from comfypipe.store.artifacts import ArtifactStore\n"
        "print('go', flush=True)\n"
        "ArtifactStore(Path(sys.argv[1])).put(Path(sys.argv[2]))"
    )
    root = tmp_path / "artifacts"
    with subprocess.Popen([sys.executable, "-c", program, root, source], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
    named = [name for name in files_in(root) if not name.startswith("incoming/")]
    digests = [hashlib.sha256((root / name).read_bytes()).hexdigest() for name in named]
    assert [f"{digest[:2]}/{digest[2:]}" for digest in digests] == named
