"""Everything that is known of a cycle in which something was wrong, in a folder: to see why, however late."""

import json
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from comfypipe._types import JSON, JSONObject
from comfypipe.project import ProjectLayout
from comfypipe.testing import EngineProcess
from comfypipe.testing.servers import get_json


def write_report(folder: Path, cycle: JSONObject, number: int, root: Path, server: EngineProcess, told: Path) -> None:
    """
    Write what the ledger, the server, the disk and the clients say of a cycle.

    Args:
        number: The input of this name, which the cycle's runs alone have.
        root: Of the project.
        told: What all the clients said and passed, one after the other.
    """
    folder.mkdir(parents=True)
    rows = _rows(ProjectLayout.find(root).ledger, number)
    ids = {each["prompt_id"] for each in rows["attempts"]}
    files = {"files": [*_files(root / "out" / str(number)), *_files(root / ".comfypipe")]}
    for name, content in {"cycle": cycle, "ledger": rows, "server": _of_server(server, ids), "disk": files}.items():
        (folder / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if told.exists():
        shutil.copyfile(told, folder / "clients.txt")


def _rows(ledger: Path, number: int) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the runs with this number, and what belongs to them."""
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row

        def of(table: str, column: str, wanted: list[dict[str, Any]], key: str = "id") -> list[dict[str, Any]]:
            ids = {each[key] for each in wanted}
            return [dict(row) for row in connection.execute(f"SELECT * FROM {table}") if row[column] in ids]  # noqa: S608

        runs = [dict(row) for row in connection.execute("SELECT * FROM runs")]
        runs = [each for each in runs if json.loads(each["inputs"]).get("number") == number]
        jobs = of("jobs", "run_id", runs)
        return {
            "runs": runs,
            "jobs": jobs,
            "attempts": of("attempts", "job_id", jobs),
            "outputs": of("outputs", "job_id", jobs),
        }


def _of_server(server: EngineProcess, prompt_ids: set[str]) -> JSONObject:
    """Return what it executed, the last ones and ours; what it remembers of ours; and what it has to do."""
    executed = server.executions()["executions"]
    history: JSON = get_json(f"{server.url}/history")
    return {
        "looked_at": time.time(),
        "executions": [each for each in executed if each["prompt_id"] in prompt_ids],
        "last_executions": executed[-10:],
        "history": {key: entry for key, entry in history.items() if key in prompt_ids},
        "last_in_history": list(history)[-10:],
        "queue": get_json(f"{server.url}/queue"),
    }


def _files(folder: Path) -> list[JSONObject]:
    found = ((path, path.lstat()) for path in sorted(folder.rglob("*")) if path.is_file())
    return [{"path": str(path), "size_bytes": about.st_size, "changed": about.st_mtime} for path, about in found]
