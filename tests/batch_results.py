"""A folder as ``comfypipe batch`` leaves one: pictures, provenance beside them, ``results.jsonl``, ``batch.json``."""

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

from PIL import Image

STEPS = (10, 20, 30)
SAMPLERS = ("euler", "dpmpp_2m")
FAILED_ROW = 4
HOSTILE = '</script><img src=x onerror="document.title=1">'
"""What must stay text wherever it is shown."""


def write_batch(folder: Path, *, repeats: int = 1, axes: tuple[str, ...] = ("steps", "sampler")) -> None:
    """Write a sweep of 6 rows for each repeat, of which the fourth failed."""
    folder.mkdir(parents=True, exist_ok=True)
    combinations = itertools.product(range(repeats), STEPS, SAMPLERS)
    rows = [_row(folder, number, *each) for number, each in enumerate(combinations, 1)]
    (folder / "results.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (folder / "batch.json").write_text(
        json.dumps({"name": "lighthouses", "sweep": {"axes": [{"name": axis} for axis in axes]}})
    )


def prompt(steps: int, sampler: str) -> dict[str, Any]:
    """Return the prompt of a row."""
    inputs = {"steps": steps, "sampler_name": sampler, "model": ["4", 0]}
    return {"3": {"class_type": "KSampler", "inputs": inputs}, "9": {"class_type": "SaveImage", "inputs": {}}}


def _row(folder: Path, number: int, repeat: int, steps: int, sampler: str) -> dict[str, Any]:
    params = {"steps": steps, "sampler": sampler, "subject": HOSTILE if number == 1 else f"take {number}"}
    row: dict[str, Any] = {
        "schema_version": 1,
        "row": number,
        "key": f"{number:016x}",
        "run_id": f"run{number:05}",
        "status": "failed" if number == FAILED_ROW else "completed",
        "params": params,
        "inputs": params,
        "outputs": {},
        "values": {},
        "error": None,
        "seconds": number / 2,
        "attempts": 1,
        "server": "http://127.0.0.1:8188",
        "cost": None,
    }
    if number == FAILED_ROW:
        return row | {"error": {"type": "RunFailed", "message": "out of memory", "node_id": "3", "hint": "use less"}}
    path = folder / f"picture #{number}.png"
    Image.new("RGB", (48, 32), (steps * 8, repeat % 256, 200 if sampler == "euler" else 40)).save(path)
    content = path.read_bytes()
    file = {
        "path": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "media_type": "image/png",
        "size_bytes": len(content),
    }
    note = {
        "schema_version": 1,
        "output": "image",
        "file": {"filename": path.name, **{name: file[name] for name in ("sha256", "media_type", "size_bytes")}},
        "run": {
            "id": f"run{number:05}",
            "name": "lighthouse",
            "backend": "embedded:",
            "plan_digest": "ab" * 32,
            "inputs": params,
            "simulated": False,
            "started_at": f"2026-01-01T00:00:{number % 60:02}+00:00",
            "ended_at": f"2026-01-01T00:01:{number % 60:02}+00:00",
        },
        "job": {"prompt": prompt(steps, sampler), "execution_s": 0.5},
    }
    path.with_suffix(".json").write_text(json.dumps(note))
    return row | {"outputs": {"image": [file]}}
