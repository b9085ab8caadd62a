"""How long commands take to answer, as a multiple of what Python needs to do nothing."""

import shutil
import subprocess
import sys
from pathlib import Path

from _timing import best_of, table

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


def call(command: list[str]) -> None:
    """Run *command* in the repository's own project, its output thrown away."""
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def main() -> None:
    """Print the table."""
    nothing = best_of(lambda: call([sys.executable, "-c", "pass"]), 15)
    rows = [["python -c pass", f"{nothing * 1000:.0f}", "1.0", ""]]
    for name, command in COMMANDS.items():
        seconds = best_of(lambda command=command: call(command), 3 if "prefect" in name else 9)  # type: ignore[misc]
        limit = f"≤ {LIMITS[name]}" if name in LIMITS else "for comparison"
        rows.append([name, f"{seconds * 1000:.0f}", f"{seconds / nothing:.1f}", limit])
    print(table(["command", "ms", "ratio", "goal"], rows))


if __name__ == "__main__":
    main()
