"""Write docs/schema/comfypipe-v1.schema.json: the JSON Schema of manifests, as ``comfypipe schema`` prints it."""

import json
import sys
from pathlib import Path

from comfypipe.manifest.json_schema import json_schema

FILE = Path(__file__).resolve().parent.parent / "docs" / "schema" / "comfypipe-v1.schema.json"


def main() -> None:
    """Write the file, or with ``--check`` say whether it is up to date."""
    text = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    if "--check" not in sys.argv:
        FILE.write_text(text, encoding="utf-8")
    elif FILE.read_text(encoding="utf-8") != text:
        sys.exit(f"{FILE.name} is out of date: run `make docs`")


if __name__ == "__main__":
    main()
