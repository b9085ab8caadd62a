"""How much processor time commands take to answer, as a multiple of what Python needs to do nothing."""

import resource
import shutil
import subprocess
import sys
from pathlib import Path

from _timing import table

ROOT = Path(__file__).resolve().parent.parent
COMFYPIPE = str(Path(sys.executable).with_name("comfypipe"))
COMMANDS = {
    "comfypipe --help": [COMFYPIPE, "--help"],
    "comfypipe list": [COMFYPIPE, "list"],
    "comfypipe render recolour": [COMFYPIPE, "render", "recolour"],
    "comfypipe validate": [COMFYPIPE, "validate"],
    "prefect --help": [shutil.which("prefect", path=str(Path(sys.executable).parent)) or "prefect", "--help"],
}
LIMITS = {"comfypipe --help": 12, "comfypipe list": 25, "comfypipe render recolour": 25, "comfypipe validate": 25}


def call(command: list[str]) -> float:
    """Run *command* in the repository's own project, its output thrown away; returns its processor time in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the table: the least of several calls each. Waiting for a busy machine is not counted."""
    nothing = min(call([sys.executable, "-c", "pass"]) for _ in range(15))
    rows = [["python -c pass", f"{nothing * 1000:.0f}", "1.0", ""]]
    for name, command in COMMANDS.items():
        seconds = min(call(command) for _ in range(3 if "prefect" in name else 9))
        limit = f"≤ {LIMITS[name]}" if name in LIMITS else "for comparison"
        rows.append([name, f"{seconds * 1000:.0f}", f"{seconds / nothing:.1f}", limit])
    print(table(["command", "ms of processor time", "ratio", "goal"], rows))


if __name__ == "__main__":
    main()
