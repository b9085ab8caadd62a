"""The faults that a server can play, by name. Light: the command line lists them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Occasion: TypeAlias = Literal["POST /prompt", "run", "request", "socket", "interrupt", "restart"]


@dataclass(frozen=True, slots=True)
class FaultKind:
    """
    One kind of fault.

    Attributes:
        occasion: What is counted: ``first:2`` of a fault of runs strikes two runs.
        settings: What can be set besides, with its default; times are in milliseconds.
        when: How often it strikes where nothing is said.
    """

    name: str
    occasion: Occasion
    summary: str
    settings: Mapping[str, str | int] = field(default_factory=dict)
    when: str = "once"


KINDS: Mapping[str, FaultKind] = {
    each.name: each
    for each in (
        # Submitting
        FaultKind("lost-reply", "POST /prompt", "queued; the connection closes before the reply"),
        FaultKind("lost-request", "POST /prompt", "the connection closes, and nothing is queued"),
        FaultKind("late-queue", "POST /prompt", "the connection closes at once; queued only after ms", {"ms": 1000}),
        FaultKind("queued-500", "POST /prompt", "queued; the reply is a 500"),
        FaultKind("duplicated-id", "POST /prompt", "queued twice, under one id, as when a proxy repeats the request"),
        FaultKind("dropped-output", "POST /prompt", "200 with node_errors: the last output is left out"),
        FaultKind("strict-ids", "POST /prompt", "400 unless prompt_id is a canonical lowercase UUID", when="always"),
        FaultKind(
            "recursion-limit", "POST /prompt", "400 for a chain longer than nodes", {"nodes": 1000}, when="always"
        ),
        # Replies
        FaultKind(
            "bad-gateway",
            "request",
            "a proxy's HTML page with status, in place of the server; for paths that start with path",
            {"path": "/", "status": 502, "retry_after": ""},
        ),
        FaultKind("truncated-body", "request", "half of the body, then the connection closes", {"path": "/view"}),
        # The socket
        FaultKind("silent-socket", "socket", "connected, and never a message"),
        FaultKind("closed-socket", "run", "the client's sockets break when the first node starts"),
        FaultKind(
            "silenced-client", "socket", "closing one of two sockets of a clientId silences the other", when="always"
        ),
        FaultKind("stalled-clients", "socket", "a client that does not read holds up all others", when="always"),
        # Running
        FaultKind("zombie", "run", "HTTP answers, nothing executes any more, queue_running stays at 1"),
        FaultKind(
            "out-of-memory", "run", "torch.OutOfMemoryError at the first node, or at one of class node", {"node": ""}
        ),
        FaultKind(
            "cuda-error", "run", "RuntimeError: CUDA error, at the first node or at one of class node", {"node": ""}
        ),
        FaultKind("blocked", "run", "ExecutionBlocked at the last output, then success"),
        FaultKind("slow-runs", "run", "every run takes ms longer", {"ms": 1000}, when="always"),
        FaultKind(
            "slow-models",
            "run",
            "a model that is not among the last slots used takes ms to load; models are file names in prompts",
            {"ms": 5000, "slots": 2},
            when="always",
        ),
        # How a run is reported
        FaultKind("lying-status", "run", "status_str is success, though a node failed: only the messages tell"),
        FaultKind("late-history", "run", "the history has the entry only ms after execution_success", {"ms": 500}),
        FaultKind("file-gone", "run", "success, but the files are gone, also when the cache answers the same prompt"),
        FaultKind(
            "no-cached-outputs", "run", "a cached run of a client without client_id has no outputs", when="always"
        ),
        FaultKind("expanded-nodes", "run", "outputs come from nodes made by expansion: 2.0.0.1, shown as 2"),
        FaultKind("hostile-names", "run", "outputs are called ../../x.png and the like, or name", {"name": ""}),
        # Ending
        FaultKind(
            "lost-interrupt", "interrupt", "answered and not done; within ms after a POST /prompt, if not 0", {"ms": 0}
        ),
        FaultKind(
            "restart",
            "run",
            "queue, history, temporary files and sockets are gone when a run is at (queued, running or ended); no "
            "connection for down_ms",
            {"at": "running", "down_ms": 0},
        ),
    )
}


def help_lines() -> Iterator[str]:
    """Yield the faults, a line each."""
    width = max(map(len, KINDS))
    for kind in KINDS.values():
        settings = "".join(f" [{name}:{value}]" for name, value in kind.settings.items())
        yield f"{kind.name:{width}}  {kind.summary}{settings}"
