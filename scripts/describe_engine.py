"""Write src/comfypipe/engine/object_info.json: what the engine's registry says of itself."""

import json
import sys
from pathlib import Path

from comfypipe.engine.catalog import core_registry
from comfypipe.engine.offline import FILENAME

FILE = Path(__file__).resolve().parent.parent / "src" / "comfypipe" / "engine" / FILENAME


def description() -> str:
    """Return the file's text: an entry a line, so that a change shows as one."""
    entries = [f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in core_registry().object_info().items()]
    return "{\n" + ",\n".join(entries) + "\n}\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if FILE.read_text(encoding="utf-8") == description() else f"{FILE.name} is out of date: make docs")
    FILE.write_text(description(), encoding="utf-8")
