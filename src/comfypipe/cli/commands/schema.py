"""``comfypipe schema``: the JSON Schema of manifests."""

from comfypipe.cli.console import to_text
from comfypipe.cli.options import AsJson


def schema(as_json: AsJson = False) -> None:  # noqa: ARG001 - it is JSON anyway; the option is there on every command
    """Print the JSON Schema of manifests, for editors."""
    from comfypipe.manifest.json_schema import json_schema

    print(to_text(json_schema()))  # noqa: T201
