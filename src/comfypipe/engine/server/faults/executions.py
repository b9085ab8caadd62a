"""What a server really executed: the proof that nothing ran twice."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from threading import Lock

from comfypipe._types import JSON, JSONObject


def prompt_digest(prompt: JSON) -> str:
    """Return the SHA-256 of a prompt's canonical JSON: the same content has the same digest, whatever its id."""
    return hashlib.sha256(json.dumps(prompt, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(slots=True)
class Execution:
    """
    One prompt that the worker took up.

    Attributes:
        life: How often the server had been restarted then, from 0.
        status: ``running``, ``success``, ``error``, ``interrupted``, or ``lost`` in a restart.
    """

    prompt_id: str
    digest: str
    life: int
    prompt: JSONObject
    status: str = "running"


class Executions:
    """Every execution of a server, in order, over all its lives. Safe to use from several threads."""

    def __init__(self) -> None:
        self._all: list[Execution] = []
        self._loads: Counter[str] = Counter()
        self._lock = Lock()
        self.life = 0

    def begin(self, prompt_id: str, prompt: JSONObject) -> Execution:
        """Note that a prompt was taken up."""
        execution = Execution(prompt_id, prompt_digest(prompt), self.life, prompt)
        with self._lock:
            self._all.append(execution)
        return execution

    def loaded(self, model: str) -> None:
        """Note that a model was loaded."""
        with self._lock:
            self._loads[model] += 1

    def next_life(self) -> None:
        """Note a restart: what still runs is lost."""
        with self._lock:
            self.life += 1
            for each in self._all:
                each.status = "lost" if each.status == "running" else each.status

    def by_prompt_id(self) -> dict[str, int]:
        """Return how often each prompt id was executed."""
        with self._lock:
            return dict(Counter(each.prompt_id for each in self._all))

    def by_digest(self) -> dict[str, int]:
        """Return how often each content (`prompt_digest`) was executed."""
        with self._lock:
            return dict(Counter(each.digest for each in self._all))

    def model_loads(self) -> dict[str, int]:
        """Return how often each model was loaded."""
        with self._lock:
            return dict(self._loads)

    def to_json(self, *, prompts: bool = False) -> JSONObject:
        """Return all of it; with the prompts themselves where wanted."""
        with self._lock:
            shown = [
                {"prompt_id": each.prompt_id, "digest": each.digest, "life": each.life, "status": each.status}
                | ({"prompt": each.prompt} if prompts else {})
                for each in self._all
            ]
        return {
            "executions": shown,
            "by_prompt_id": self.by_prompt_id(),
            "by_digest": self.by_digest(),
            "model_loads": self.model_loads(),
            "lives": self.life + 1,
        }
