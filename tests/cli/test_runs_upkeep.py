"""Cancelling, retrying and forgetting runs."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from tests.cli.conftest import Type


def stored_files(project: Path) -> set[str]:
    """Return the digests of the files in a project's store."""
    return {path.parent.name + path.name for path in (project / ".comfypipe/artifacts").glob("[0-9a-f][0-9a-f]/*")}


def made_old(project: Path) -> None:
    """Make every stored file older than the time of grace."""
    for path in (project / ".comfypipe/artifacts").glob("[0-9a-f][0-9a-f]/*"):
        os.utime(path, (time.time() - 7200,) * 2)


def test_a_completed_run_is_run_again_with_its_inputs(examples: Path, typed: Type) -> None:
    """Inputs given then, a file among them, are those of the new run; everything comes from the store."""
    first = typed("run", "recolour", "-i", "colour=#336699", "--json").document
    again = typed("runs", "retry", first["id"], "--json")
    assert (0, True) == (again.status, again.document["cached"])
    assert first["inputs"] == again.document["inputs"]
    assert first["outputs"]["image"]["sha256"] == again.document["outputs"]["image"]["sha256"]
    assert first["id"] != again.document["id"]


def test_a_failed_run_is_continued(examples: Path, typed: Type) -> None:
    """After its cause was mended, retry goes on with the run that failed."""
    manifest = examples / "manifests/turntable.yaml"
    good = manifest.read_text()
    manifest.write_text(good + "timeout_s: 0.01\n")
    failed = typed("run", "turntable", "--json")
    assert (5, "failed") == (failed.status, failed.document["status"])
    manifest.write_text(good)
    again = typed("runs", "retry", "latest", "--json").document
    assert ("completed", failed.document["id"]) == (again["status"], again["continues"])


def test_a_file_that_was_changed_since_is_not_taken(examples: Path, typed: Type) -> None:
    """Retrying says so when what the run was given is not there any more."""
    photo = examples / "photo.png"
    photo.write_bytes((examples / "assets/vase.png").read_bytes())
    first = typed("run", "recolour", "-i", "image=@photo.png", "--json").document
    photo.write_bytes((examples / "assets/logo.png").read_bytes())
    changed = typed("runs", "retry", first["id"])
    photo.unlink()
    gone = typed("runs", "retry", first["id"])
    assert (2, 2) == (changed.status, gone.status)
    assert "was changed since" in changed.err
    assert "is gone" in gone.err


def test_only_runs_that_go_on_can_be_cancelled(examples: Path, typed: Type) -> None:
    """A completed run is left alone, and the call is wrong."""
    run_id = typed("run", "recolour", "--json").document["id"]
    refused = typed("runs", "cancel", run_id)
    assert (2, True) == (refused.status, "has completed" in refused.err)


def test_a_run_that_its_process_left_is_cancelled(examples: Path, typed: Type) -> None:
    """After kill -9 the run counts as interrupted; cancelling ends it for good."""
    command = [sys.executable, "-m", "comfypipe", "run", "turntable", "-i", "turns=60"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ledger = examples / ".comfypipe/ledger.sqlite3"
    deadline = time.monotonic() + 60
    while not begun(ledger):
        assert process.poll() is None, "it ended before it could be killed"
        assert deadline > time.monotonic()
        time.sleep(0.02)
    process.kill()
    process.wait()
    (left,) = typed("runs", "list", "--json").document
    assert "interrupted" == left["status"]
    assert f"{left['id']} cancelled\n" == typed("runs", "cancel", "latest").out
    assert "cancelled" == typed("runs", "show", "latest", "--json").document["status"]


def begun(ledger: Path) -> bool:
    """Return whether a run stands in the ledger."""
    if not ledger.exists():
        return False
    connection = sqlite3.connect(ledger)
    try:
        return bool(connection.execute("SELECT count(*) FROM attempts").fetchone()[0])
    except sqlite3.OperationalError:  # its tables are being made
        return False
    finally:
        connection.close()


def test_pruning_removes_what_only_old_runs_speak_of(examples: Path, typed: Type) -> None:
    """Runs of the other workflow stay with their files; the pruned ones are gone, and so are theirs."""
    typed("run", "recolour")
    kept = typed("run", "cutout", "-i", "photo=@assets/vase.png", "--json").document
    made_old(examples)
    before = stored_files(examples)
    dry = typed("runs", "prune", "--older-than", "0s", "--name", "recolour", "--dry-run", "--json").document
    assert before == stored_files(examples)
    done = typed("runs", "prune", "--older-than", "0s", "--name", "recolour", "--yes", "--json").document
    assert {**dry, "dry_run": False} == done
    assert (1, 1) == (done["runs"], done["files"])
    assert [kept["id"]] == [each["id"] for each in typed("runs", "list", "--json").document]
    assert kept["outputs"]["image"]["sha256"] in stored_files(examples)
    assert 1 == len(before - stored_files(examples))


def test_pruning_spares_what_is_young(examples: Path, typed: Type) -> None:
    """A file of the last hour stays: another process may be about to record it."""
    typed("run", "recolour")
    before = stored_files(examples)
    done = typed("runs", "prune", "--older-than", "0s", "--yes", "--json").document
    assert (1, 0) == (done["runs"], done["files"])
    assert before == stored_files(examples)


def test_pruning_asks_first(examples: Path, typed: Type) -> None:
    """Where nobody can answer, nothing is removed."""
    typed("run", "recolour")
    refused = typed("runs", "prune", "--older-than", "0s")
    assert (2, True) == (refused.status, "--yes" in refused.err)
    assert 1 == len(json.loads(typed("runs", "list", "--json").out))
