"""A service in a process of its own, that can be killed."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO


@dataclass
class ServeProcess:
    """
    ``comfypipe serve`` on a folder.

    Attributes:
        said: All that it wrote to stderr, in all its lives, once it has ended.
    """

    data: Path
    options: Sequence[str] = ()
    port: int = 0
    url: str = ""
    said: str = ""
    process: "subprocess.Popen[str] | None" = None
    _log: "IO[str] | None" = field(default=None, repr=False)

    @property
    def base_url(self) -> str:
        """With the path of the API."""
        return f"{self.url}/api/v1"

    def start(self) -> None:
        """Start it, and wait until it takes connections; the next time on the same port."""
        command = [sys.executable, "-m", "comfypipe", "serve", "--json", "--data", str(self.data)]
        command += ["--port", str(self.port), *self.options]
        self.data.parent.mkdir(parents=True, exist_ok=True)
        self._log = self.data.with_suffix(".log").open("a")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._log, text=True, cwd=self.data.parent
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.endswith("}\n"):  # what kept it from starting, as JSON of several lines, or nothing at all
            failure = line + self.process.stdout.read()
            self.stop()
            raise AssertionError(failure + self.said)
        self.url = json.loads(line)["url"]
        self.port = int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """End it as a loss of power would."""
        self._end(kill=True)

    def stop(self) -> None:
        """End it in order."""
        self._end(kill=False)

    def _end(self, *, kill: bool) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        process.wait(30)
        assert process.stdout is not None
        assert self._log is not None
        process.stdout.close()
        self._log.close()
        self.said = self.data.with_suffix(".log").read_text()


@contextmanager
def serve_process(data: Path, *options: str) -> Iterator[ServeProcess]:
    """Run a service while the block lasts."""
    service = ServeProcess(data, options)
    service.start()
    try:
        yield service
    finally:
        service.stop()
