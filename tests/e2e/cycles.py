"""
Cycles of kill -9: a run is killed, once or several times, and asked for until it ends; then everything is counted.

What must hold: the run ends as it would have without kills; each of its prompts was executed once, counted by the
server; its files are whole, in the store and where they were exported, and have the right pixels.
"""

import asyncio
import hashlib
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from tests.e2e.kill_report import write_report
from tests.e2e.killing import (
    STATES,
    client_context,
    draw_doom,
    end_of_client,
    kill_at,
    runs_in,
    start_client,
    start_command,
)

from comfypipe._types import JSONObject
from comfypipe.execution.details import RunDetails
from comfypipe.execution.project import Project
from comfypipe.execution.records import files_in
from comfypipe.project import ProjectLayout
from comfypipe.testing import EngineProcess

COMPLETED, FAILED = 0, 3
"""Exit status of a client whose run has completed, or has failed."""

SIZE = (64, 48)
FILES = {
    "workflows/picture.json.j2": """
        {"1": {"class_type": "EmptyImage", "inputs": {
            "width": 64, "height": 48, "batch_size": 1, "color": {{ colour }} } },
         "2": {"class_type": "SaveImage", "inputs": {
            "images": ["1", 0], "filename_prefix": "picture-{{ number }}-{{ colour }}" } } }""",
    "manifests/picture.yaml": """
        apiVersion: comfypipe/v1
        kind: Workflow
        workflow: workflows/picture.json.j2
        inputs: {number: {type: integer}, colour: {type: integer}}
        outputs: {image: {type: image, node: "2"}}
        """,
    "workflows/stitched.json.j2": """
        {"left": {"class_type": "LoadImage", "inputs": {"image": {{ left }} } },
         "right": {"class_type": "LoadImage", "inputs": {"image": {{ right }} } },
         "both": {"class_type": "ImageStitch", "inputs": {
            "image1": ["left", 0], "image2": ["right", 0], "direction": "right", "match_image_size": true,
            "spacing_width": 0, "spacing_color": "white"} },
         "save": {"class_type": "SaveImage", "inputs": {
            "images": ["both", 0], "filename_prefix": "stitched-{{ number }}" } } }""",
    "manifests/stitched.yaml": """
        apiVersion: comfypipe/v1
        kind: Workflow
        workflow: workflows/stitched.json.j2
        inputs: {number: {type: integer}, left: {type: image}, right: {type: image}}
        outputs: {image: {type: image, node: save}}
        """,
    "manifests/sheet.yaml": """
        apiVersion: comfypipe/v1
        kind: Pipeline
        inputs: {number: {type: integer}, colours: {type: list, items: {type: integer}}}
        steps:
          - id: draw
            workflow: picture
            for_each: "{{ inputs.colours }}"
            inputs: {number: "{{ inputs.number }}", colour: "{{ item }}"}
          - id: both
            workflow: stitched
            inputs:
              number: "{{ inputs.number }}"
              left: "{{ steps.draw.outputs.image[0] }}"
              right: "{{ steps.draw.outputs.image[1] }}"
        outputs: {image: "{{ steps.both.outputs.image }}"}
        """,
    "workflows/broken.json.j2": """
        {"1": {"class_type": "EmptyAudio", "inputs": {"duration": 0.1, "sample_rate": 8000, "channels": 1} },
         "2": {"class_type": "SplitAudioChannels", "inputs": {"audio": ["1", 0]} },
         "3": {"class_type": "SaveAudio", "inputs": {"audio": ["2", 0], "filename_prefix": "b-{{ number }}"} } }""",
    "manifests/broken.yaml": """
        apiVersion: comfypipe/v1
        kind: Workflow
        workflow: workflows/broken.json.j2
        inputs: {number: {type: integer}}
        outputs: {sound: {type: audio, node: "3"}}
        """,
}

JOBS: Mapping[str, int] = {"picture": 1, "sheet": 3, "broken": 1}
"""By manifest, how many jobs a run has."""


def make_project(root: Path, server_url: str) -> Path:
    """Write the project that is run, whose backend is a server; return its root."""
    for name, content in {"pyproject.toml": f'[tool.comfypipe]\nbackend = "{server_url}"\n', **FILES}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


@dataclass(frozen=True, slots=True)
class Request:
    """A run that is asked for again and again in the same words; a client calls it with its project."""

    name: str
    number: int
    out: Path

    @property
    def colours(self) -> tuple[int, ...]:
        """Those of the picture, or of its two halves."""
        return tuple(self.number * factor % 0x1000000 for factor in (7919, 104_729))

    @property
    def inputs(self) -> dict[str, Any]:
        """What the run is given."""
        more: dict[str, dict[str, Any]] = {
            "picture": {"colour": self.colours[0]},
            "sheet": {"colours": list(self.colours)},
            "broken": {},
        }
        return {"number": self.number, **more[self.name]}

    async def __call__(self, project: Project) -> None:
        """Run; the process's exit status tells how that ended."""
        run = await project.run(self.name, self.inputs, out=self.out, check=False)
        raise SystemExit(COMPLETED if run.failure is None else FAILED)

    def words(self) -> list[str]:
        """Return the same request as a command."""
        given = [word for name, value in self.inputs.items() for word in ("-i", f"{name}={value}")]
        return ["run", self.name, *given, "--out", str(self.out), "--quiet"]


@dataclass(frozen=True, slots=True)
class Cycle:
    """
    What came of a request.

    Attributes:
        ways: Where each life ended, the last one's end left out.
        problems: What is wrong; none when all is well.
    """

    number: int
    name: str
    client: str
    ways: tuple[str, ...]
    executed: int
    end: str
    seconds: float
    problems: tuple[str, ...] = ()

    @property
    def kills(self) -> int:
        """How often it was killed."""
        return sum("survived" not in each for each in self.ways)

    def to_json(self) -> JSONObject:
        """Return it as JSON."""
        return {
            "number": self.number,
            "name": self.name,
            "client": self.client,
            "ways": list(self.ways),
            "kills": self.kills,
            "executed": self.executed,
            "end": self.end,
            "seconds": round(self.seconds, 3),
            "problems": list(self.problems),
        }


@dataclass(slots=True)
class Arena:
    """
    A project, a server that counts, and clients that are killed.

    Attributes:
        commands: Share of the cycles whose client is ``comfypipe run``.
        reports: Folder that is given everything that is known of a cycle in which something is wrong.
    """

    root: Path
    server: EngineProcess
    luck: random.Random
    commands: float = 0.0
    longest_s: float = 0.5
    reports: Path | None = None
    _counted: Counter[str] = field(default_factory=Counter)
    _context: Any = field(default_factory=client_context)

    def cycles(self, count: int) -> Iterator[Cycle]:
        """Yield cycles until *count* of them had a kill; those that outran it come too."""
        number = killed = 0
        while killed < count:
            number += 1
            cycle = self.cycle(number)
            killed += cycle.kills > 0
            yield cycle

    def cycle(self, number: int) -> Cycle:
        """Run a cycle."""
        request = Request(self._draw_name(), number, self.root / "out" / str(number))
        as_command = self.luck.random() < self.commands
        began = time.perf_counter()
        told = self.root.parent / "told" / f"{number}.txt"
        told.parent.mkdir(exist_ok=True)
        ways, ended = (self._command if as_command else self._client)(request, told)
        cycle = self._judged(request, "command" if as_command else "program", ways, ended, began)
        if cycle.problems and self.reports is not None:
            write_report(self.reports / f"cycle-{number}", cycle.to_json(), number, self.root, self.server, told)
        return cycle

    def _draw_name(self) -> str:
        return self.luck.choices(list(JOBS), (5, 4, 1))[0]

    def _kills(self) -> int:
        return self.luck.choices((1, 2, 3), (7, 2, 1))[0]

    def _client(self, request: Request, told: Path) -> tuple[list[str], int | None]:
        ways = []
        for _ in range(self._kills()):
            doom = draw_doom(self.luck, JOBS[request.name], self.longest_s)
            ended = end_of_client(start_client(self._context, request, self.root, doom, told), doom)
            ways.append(str(doom) if ended is not None and ended < 0 else f"survived {doom}")
            if ended is None or ended >= 0:
                return ways, ended
        return ways, end_of_client(start_client(self._context, request, self.root, None, told), None)

    def _command(self, request: Request, told: Path) -> tuple[list[str], int | None]:
        ways = []
        ledger = ProjectLayout.find(self.root).ledger
        for _ in range(self._kills()):
            state, after_s = self.luck.choice(STATES), self.luck.choice((0.0, self.luck.uniform(0, 0.05)))
            before = runs_in(ledger)
            command = start_command(self.root, *request.words(), told=told)
            killed = kill_at(command, ledger, state, after_s, before)
            way = f"{state} seen +{after_s * 1000:.0f} ms"
            ways.append(way if killed else f"survived {way}")
        ended = start_command(self.root, *request.words(), told=told).wait(60)
        return ways, ended if ended == 0 else FAILED

    def _judged(self, request: Request, client: str, ways: list[str], ended: int | None, began: float) -> Cycle:
        runs = asyncio.run(_look(self.root, request))
        counted: Counter[str] = Counter(self.server.executions()["by_prompt_id"])
        executed, self._counted = counted - self._counted, counted
        end = {COMPLETED: "completed", FAILED: "failed"}.get(-1 if ended is None else ended, f"exit {ended}")
        problems = [*_wrong_end(request, end, runs), *_wrong_counts(request, executed, runs)]
        if request.name != "broken" and not problems:
            problems += _wrong_files(request, runs, self.server.folder / "output")
            problems += self._wrong_leftovers(request, kills=len(ways))
        seconds = time.perf_counter() - began
        return Cycle(request.number, request.name, client, tuple(ways), executed.total(), end, seconds, tuple(problems))

    def _wrong_leftovers(self, request: Request, kills: int) -> Iterator[str]:
        """A kill leaves one half-written file at most, and the next export an hour later removes it."""
        left = list(request.out.glob(".*"))
        if len(left) > kills:
            yield f"{kills} kills left {left}"
        if left:
            for each in left:
                os.utime(each, (0, 0))
            ended = end_of_client(start_client(self._context, request, self.root, None), None)
            if ended != COMPLETED or any(each.exists() for each in left):
                yield f"an hour later it ended with {ended} and left {list(request.out.glob('.*'))}"


async def _look(root: Path, request: Request) -> tuple[RunDetails, ...]:
    """Return all runs of a request, newest first."""
    async with Project.find(root) as project:
        runs = await project.runs(name=request.name, limit=20)
        return tuple([await project.details(run.id) for run in runs if run.inputs.get("number") == request.number])


def _wrong_end(request: Request, end: str, runs: tuple[RunDetails, ...]) -> Iterator[str]:
    wanted = "failed" if request.name == "broken" else "completed"
    if end != wanted:
        yield f"ended as {end}, not {wanted}"
    statuses = [each.run.status for each in runs]
    if set(statuses) != {wanted}:
        yield f"the ledger says {statuses or 'nothing'}, not {wanted}"
    for attempt in _attempts(runs):
        if attempt.status != wanted:
            yield f"attempt {attempt.prompt_id} is {attempt.status}, not {wanted}"


def _wrong_counts(request: Request, executed: Counter[str], runs: tuple[RunDetails, ...]) -> Iterator[str]:
    for prompt_id, times in executed.items():
        if times > 1:
            yield f"prompt {prompt_id} was executed {times} times"
    made = {attempt.prompt_id for attempt in _attempts(runs)}
    if made != set(executed):
        yield f"executed {sorted(executed)}, recorded {sorted(made)}"
    # A failed run that is asked for again is a new one; everything else is executed once, whatever its id.
    wanted = max(1, len(runs)) if request.name == "broken" else JOBS[request.name]
    if request.name != "broken" and executed.total() != wanted:
        yield f"{executed.total()} executions, not {wanted}"


def _attempts(runs: tuple[RunDetails, ...]) -> list[Any]:
    return [attempt for run in runs for job in run.jobs for attempt in job.attempts]


def _wrong_files(request: Request, runs: tuple[RunDetails, ...], served: Path) -> Iterator[str]:
    """Compare what is stored, what was exported and what the server has, byte for byte; and look at the pixels."""
    (stored,) = files_in(runs[0].run.outputs["image"])
    exported = [path for path in request.out.glob("*.png") if not path.name.startswith(".")]
    prefix = f"picture-{request.number}-" if request.name == "picture" else f"stitched-{request.number}_"
    made = list(served.rglob(f"{prefix}*"))
    digests = {_digest(path) for path in (stored.path, *exported, *made)}
    if len(exported) != 1 or len(made) != 1 or digests != {stored.sha256}:
        yield f"stored {stored.sha256}; exported {exported}; made {made}; digests {digests}"
    if _colours(stored.path) != _wanted_colours(request):
        yield f"has the colours {_colours(stored.path)}, not {_wanted_colours(request)}"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _colours(path: Path) -> Any:
    with Image.open(path) as picture:
        return sorted(picture.convert("RGB").getcolors() or [])


def _wanted_colours(request: Request) -> Any:
    pixels = SIZE[0] * SIZE[1]
    parts = request.colours if request.name == "sheet" else request.colours[:1]
    counts: Counter[tuple[int, ...]] = Counter()
    for colour in parts:
        counts[tuple(colour.to_bytes(3, "big"))] += pixels
    return sorted((count, colour) for colour, count in counts.items())
