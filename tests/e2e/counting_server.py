"""An engine server that first writes down what it executes: the file outlives a server that is killed."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from comfypipe.engine import Image, node
from comfypipe.engine.catalog import core_registry
from comfypipe.engine.custom import with_custom
from comfypipe.engine.registry import NodeClass
from comfypipe.testing.servers import engine_server


def counting_node(log: Path) -> NodeClass:
    """Return a node that notes its number, and the server's process, each time a prompt is executed."""

    @node("Counted")
    def counted(image: Image, number: int) -> Image:
        """Pass on a picture."""
        with log.open("a") as file:
            file.write(f"{number} {os.getpid()}\n")
        return image

    return replace(counted, fingerprint=lambda **_: float("nan"))  # never taken from the server's own cache


def main(folder: Path, port: int, log: Path) -> None:
    """Serve until the process is ended."""
    registry = with_custom(core_registry(), [counting_node(log)])
    with engine_server(folder, registry=registry, port=port, faults=["slow-runs=always,ms:10"]):
        print("ready", flush=True)  # noqa: T201 - whoever started it waits for it
        signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
