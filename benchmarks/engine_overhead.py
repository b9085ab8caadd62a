"""What the engine adds to the work of the nodes themselves, and how many small prompts it runs in a second."""

import asyncio
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from _timing import best_of, table
from comfypipe._types import JSONObject
from comfypipe.backends.base import Submission
from comfypipe.backends.embedded import EmbeddedBackend
from comfypipe.engine.executor import Engine
from comfypipe.engine.registry import Folders

TIMES = 200
NUMBERS = count()
"""Each prompt has a colour of its own, so that no cache answers it."""


def saving() -> JSONObject:
    """Return a prompt of two nodes that writes a file."""
    colour = {"width": 8, "height": 8, "batch_size": 1, "color": next(NUMBERS)}
    save = {"images": ["1", 0], "filename_prefix": f"bench/{next(NUMBERS) // 200}/x"}
    return {"1": {"class_type": "EmptyImage", "inputs": colour}, "2": {"class_type": "SaveImage", "inputs": save}}


def showing() -> JSONObject:
    """Return a prompt of two nodes that writes nothing."""
    text = {"class_type": "PrimitiveString", "inputs": {"value": str(next(NUMBERS))}}
    return {"1": text, "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}}


def chain(nodes: int) -> JSONObject:
    """Return a chain of so many nodes."""
    made: JSONObject = {"0": {"class_type": "PrimitiveString", "inputs": {"value": str(next(NUMBERS))}}}
    for index in range(1, nodes):
        inputs = {"string": [str(index - 1), 0], "find": "x", "replace": "y"}
        made[str(index)] = {"class_type": "StringReplace", "inputs": inputs}
    return made | {"end": {"class_type": "PreviewAny", "inputs": {"source": [str(nodes - 1), 0]}}}


def directly(engine: Engine, prompt: JSONObject) -> None:
    """Call the two nodes of a prompt without the engine."""
    first, second = (engine.registry[node["class_type"]].function for node in prompt.values())
    outputs: Any = first(**prompt["1"]["inputs"])
    inputs = {name: outputs[0] if isinstance(value, list) else value for name, value in prompt["2"]["inputs"].items()}
    if prompt["2"]["class_type"] == "SaveImage":
        inputs["context"] = SimpleNamespace(folders=engine.folders, node_id="2", prompt=prompt, extra_pnginfo={})
    second(**inputs)


def seconds_each(call: Callable[[JSONObject], object], make: Callable[[], JSONObject]) -> float:
    """Return the time of one call on a new prompt: the best of several rounds of many."""

    def round_of_calls() -> None:
        for _ in range(TIMES):
            call(make())

    return best_of(round_of_calls) / TIMES


def together(folder: Path, make: Callable[[], JSONObject]) -> float:
    """Return the time of one of many prompts that are submitted to the embedded backend at once and waited for."""

    async def run_all() -> None:
        backend = EmbeddedBackend(folder)
        await asyncio.gather(*(run(backend, make()) for _ in range(TIMES)))
        await backend.close()

    async def run(backend: EmbeddedBackend, prompt: JSONObject) -> None:
        await backend.wait(await backend.submit(Submission(str(uuid4()), prompt)))

    return best_of(lambda: asyncio.run(run_all()), 3) / TIMES


def rows_of(name: str, engine: Engine, folder: Path, make: Callable[[], JSONObject]) -> list[list[str]]:
    """Return the rows about prompts of one kind."""
    bare = seconds_each(lambda prompt: directly(engine, prompt), make)
    run = seconds_each(lambda prompt: engine.run(prompt, prompt_id="p"), make)
    return [
        [f"{name}: called directly", f"{bare * 1000:.3f} ms", "1.0", ""],
        [f"{name}: by the engine", f"{run * 1000:.3f} ms", f"{run / bare:.1f}", ""],
        [f"{name}: added by the engine", f"{(run - bare) * 1000:.3f} ms", "", "≤ 1 ms"],
        [f"{name}: {TIMES} at once, `embedded:`", f"{1 / together(folder, make):.0f} a second", "", "≥ 500"],
    ]


def main() -> None:
    """Print the table."""
    folder = Path(tempfile.mkdtemp())
    engine = Engine(Folders(folder / "input", folder / "output", folder / "temp"))
    engine.run(saving(), prompt_id="warm")
    rows = rows_of("EmptyImage, SaveImage", engine, folder, saving)
    rows += rows_of("PrimitiveString, PreviewAny", engine, folder, showing)
    short, long = (
        best_of(lambda nodes=nodes: engine.run(chain(nodes), prompt_id="p"), 5) / nodes  # type: ignore[misc]
        for nodes in (150, 1500)
    )
    rows.append(["a node in a chain of 150", f"{short * 1e6:.0f} µs", "1.0", ""])
    rows.append(["a node in a chain of 1,500", f"{long * 1e6:.0f} µs", f"{long / short:.1f}", "≤ 1.5"])
    print(table(["what", "figure", "ratio", "goal"], rows))


if __name__ == "__main__":
    main()
