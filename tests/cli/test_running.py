"""Commands that run, and that look at what has run."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from tests.cli.conftest import Type


def test_init_makes_a_project_that_runs_at_once(here: Path, typed: Type) -> None:
    """After ``init`` alone, its pipeline runs and leaves its picture where it was asked to."""
    made = typed("init", "posters")
    assert 0 == made.status
    assert [".gitignore", "manifests/poster.yaml", "manifests/posters.yaml"] == made.out.splitlines()[:3]
    done = typed("run", "posters", "--project", "posters", "--out", "out")
    assert (0, "out/strip.png\n") == (done.status, done.out)
    with Image.open(here / "out" / "strip.png") as picture:
        assert (3 * 512 + 2 * 16, 640) == picture.size


def test_init_overwrites_nothing(here: Path, typed: Type) -> None:
    """A file that is there already stops ``init`` before it has written anything."""
    (here / "pyproject.toml").write_text("[project]\n")
    result = typed("init")
    assert 2 == result.status
    assert ["pyproject.toml"] == [each.name for each in here.iterdir()]
    assert "[project]\n" == (here / "pyproject.toml").read_text()


def test_run_writes_pictures_with_provenance(examples: Path, typed: Type) -> None:
    """``product_card`` leaves a sheet of three cards, each file with a record of where it came from."""
    result = typed("run", "product_card", "-i", "size=128", "--out", "out")
    assert (0, ["out/sheet.png", "out/cards-01.png", "out/cards-02.png", "out/cards-03.png"]) == (
        result.status,
        result.out.splitlines(),
    )
    with Image.open("out/sheet.png") as picture:
        sheet = np.asarray(picture.convert("RGB"))
    assert (128 + 2 * 24, 3 * 128 + 4 * 24, 3) == sheet.shape
    made_by = json.loads(Path("out/sheet.json").read_text())
    assert hashlib.sha256(Path("out/sheet.png").read_bytes()).hexdigest() == made_by["file"]["sha256"]
    assert "✓ cards: completed" in result.err


def test_running_again_takes_what_is_stored(examples: Path, typed: Type) -> None:
    """The same command executes nothing the second time and gives the same bytes; ``--no-cache`` runs it anew."""
    command = ("run", "recolour", "--json")
    first, second = typed(*command).document, typed(*command).document
    assert (False, True) == (first["cached"], second["cached"])
    assert first["outputs"]["image"]["sha256"] == second["outputs"]["image"]["sha256"]
    anew = typed(*command, "--no-cache").document
    assert not anew["cached"]
    assert first["outputs"]["image"]["sha256"] != ""


def test_runs_can_be_looked_at(examples: Path, typed: Type) -> None:
    """``runs list``, ``show`` and ``outputs`` agree on what has run; an id may be shortened."""
    run = typed("run", "recolour", "--json").document
    (listed,) = typed("runs", "list", "--json").document
    assert run["id"] == listed["id"]
    assert run["id"] == typed("runs", "show", run["id"][:8], "--json").document["id"]
    path, filename = typed("runs", "outputs", "latest").out.strip().split("\t")
    assert run["outputs"]["image"]["sha256"] == hashlib.sha256(Path(path).read_bytes()).hexdigest()
    assert filename.endswith(".png")
    assert "recolour (Workflow)" in typed("runs", "show", "latest").out


def test_an_unknown_run_is_a_usage_error(examples: Path, typed: Type) -> None:
    """The hint says how to find ids."""
    result = typed("runs", "show", "zzzz")
    assert 2 == result.status
    assert "hint: `comfypipe runs list` names them" in result.err


def test_a_node_that_needs_a_model_is_a_clear_error(examples: Path, typed: Type) -> None:
    """On the embedded engine, each such node is named with its place, and what to do; exit status 3."""
    result = typed("run", "upscale")
    assert (3, "") == (result.status, result.out)
    assert "workflows/upscale.json.j2:3:3 missing-node-type: node upscaler: there is no class UpscaleModelLoader" in (
        result.err
    )
    assert "--backend http://HOST:8188" in result.err


def test_an_unreadable_picture_names_the_node(examples: Path, typed: Type) -> None:
    """A file that is no picture fails the run, exit status 1, and says which node could not read it."""
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    result = typed("run", "recolour", "-i", "image=@broken.png")
    assert 1 == result.status
    assert "photo" in result.err
    assert "LoadImage" in result.err


def test_inputs_that_do_not_fit_are_all_named(examples: Path, typed: Type) -> None:
    """Three wrong inputs are one error with three lines, and nothing runs."""
    result = typed("run", "recolour", "-i", "colour=red", "-i", "strength=2", "-i", "strenth=1")
    assert 2 == result.status
    assert ["did you mean strength?", 'not "red"', "at most 1"] == [
        words for words in ("did you mean strength?", 'not "red"', "at most 1") if words in result.err
    ]
    assert [] == typed("runs", "list", "--json").document


def test_doctor_finds_the_examples_well(examples: Path, typed: Type) -> None:
    """Every line of ``doctor`` is ok in a project that works; outside one it fails with a hint."""
    result = typed("doctor", "--json")
    assert 0 == result.status
    assert {"ok"} == {each["state"] for each in result.document if each["what"] != "disk"}


def test_doctor_outside_a_project(here: Path, typed: Type) -> None:
    """A missing project is a failed finding, not a crash."""
    result = typed("doctor")
    assert 4 == result.status
    assert "failed  project" in result.out


def test_ctrl_c_cancels_and_the_same_command_goes_on(examples: Path, typed: Type) -> None:
    """SIGINT ends a run with status 130; given again, it takes up what was finished, with nothing run twice."""
    command = [sys.executable, "-m", "comfypipe", "run", "product_card", "-i", "size=1024"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert process.stderr is not None
    for line in process.stderr:
        if "variants" in line:
            process.send_signal(signal.SIGINT)
            break
    _, rest = process.communicate(timeout=60)
    assert 130 == process.returncode, rest
    (broken,) = typed("runs", "list", "--json").document
    assert "cancelled" == broken["status"]
    again = typed("run", "product_card", "-i", "size=1024", "--json").document
    steps = {step["id"]: (step["jobs"], step["cached"]) for step in again["steps"]}
    assert ((1, 1), (3, 3)) == (steps["cutout"], steps["variants"])
