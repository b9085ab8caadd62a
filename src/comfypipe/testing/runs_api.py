"""
A runs API to test against: strict, with the quirks of ComfyICU's, and nothing that its documentation does not have.

Written from that documentation. It runs prompts of model-free nodes on the engine.
"""

import asyncio
import json
import secrets
import string
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from comfypipe._types import JSON, JSONObject
from comfypipe.backends.base import OutputFile, RunResult, RunStatus, Submission
from comfypipe.backends.embedded import EmbeddedBackend
from comfypipe.errors import ComfypipeError, PromptInvalid, RunFailed
from comfypipe.testing.servers import direct_opener

ACCELERATORS = ("T4", "L4", "A10", "A100_40GB", "A100_80GB", "H100")
_FIELDS = {"workflow_id", "prompt", "files", "webhook", "accelerator"}
_ID = string.ascii_letters + string.digits + "_-"


@dataclass(slots=True)
class Quirks:
    """
    What the API does besides working.

    Attributes:
        lost_replies: So many creates are carried out, and their connections closed without a word.
        unavailable: So many requests are answered with 503, and nothing comes of them.
        limited: So many requests are answered with 429 and ``Retry-After: 0``.
        create_s: How long a create takes to show, and to be answered.
        hold: Runs stay queued until it is cleared.
        listed: So many runs are listed at most, the newest.
        bare_list: The list shows no prompts.
        output_map: Files come as ``outputs: {"/output/x": url}``.
        out_of_memory: Accelerators on which every run fails, as one out of memory does.
        unknown_accelerators: Accelerators that the API refuses.
        status: What runs end as, in place of their own end: INSUFFICIENT_CREDIT, TIMEOUT, …
        expired: URLs of outputs hold no longer until the run is asked for again.
    """

    lost_replies: int = 0
    unavailable: int = 0
    limited: int = 0
    create_s: float = 0.0
    hold: bool = False
    listed: int = 50
    bare_list: bool = False
    output_map: bool = False
    out_of_memory: tuple[str, ...] = ()
    unknown_accelerators: tuple[str, ...] = ()
    status: str | None = None
    expired: bool = False


@dataclass(slots=True)
class RunsApi:
    """
    A server in a thread of this process.

    Attributes:
        url: Base URL of all endpoints; ``comfyicu+`` before it is what a backend is called by.
        requests: Method and path of every request, in order.
        runs: The run objects, oldest first, as they stand.
        fetched: The outputs that were downloaded: who did (``client``, or ``api`` for the files of a run), and names.
        executed: Ids of the runs that were executed, in order.
        files: By the token in its URL, name and place of each output.
    """

    url: str
    key: str
    quirks: Quirks
    folder: Path
    requests: list[str] = field(default_factory=list)
    runs: dict[str, JSONObject] = field(default_factory=dict)
    fetched: list[tuple[str, str]] = field(default_factory=list)
    executed: list[str] = field(default_factory=list)
    files: dict[str, tuple[str, Path]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _workers: list[threading.Thread] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def backend_url(self) -> str:
        """What a backend is called by."""
        return f"comfyicu+{self.url}?workflow_id=wf_test"

    def create(self, workflow_id: str, body: JSON) -> tuple[int, JSON]:
        """Make a run of a request that is allowed, and begin it."""
        problem = self._problem(workflow_id, body)
        if problem is not None:
            return problem
        time.sleep(self.quirks.create_s)
        run = _run_object(workflow_id, body)
        with self._lock:
            self.runs[run["id"]] = run
        worker = threading.Thread(target=self._work, args=(run, body), daemon=True)
        self._workers.append(worker)
        worker.start()
        return 200, {"id": run["id"]}

    def listed(self, workflow_id: str) -> list[JSONObject]:
        """Return the runs of a workflow, newest first."""
        with self._lock:
            found = [run for run in self.runs.values() if run["workflow_id"] == workflow_id][::-1]
        shown = found[: self.quirks.listed]
        return [{**run, "data": None} for run in shown] if self.quirks.bare_list else shown

    def close(self) -> None:
        """Let what is held back run, and return when everything has ended."""
        self.quirks.hold = False
        for each in self._workers:
            each.join()

    def _problem(self, workflow_id: str, body: JSON) -> tuple[int, JSON] | None:
        if not isinstance(body, dict) or not isinstance(body.get("prompt"), dict):
            return 400, {"error": "prompt is required"}
        if body.keys() - _FIELDS or body.get("workflow_id", workflow_id) != workflow_id:
            return 400, {"message": f"unknown fields: {sorted(body.keys() - _FIELDS)}"}
        if not workflow_id.startswith("wf_"):
            return 404, {"error": "Workflow not found"}
        accelerator = body.get("accelerator")
        known = [each for each in ACCELERATORS if each not in self.quirks.unknown_accelerators]
        if accelerator is not None and accelerator not in known:
            return 400, {"message": f"Invalid accelerator {accelerator}"}
        return None

    def _work(self, run: JSONObject, body: JSONObject) -> None:
        try:
            self._place(body.get("files") or {})
            while self.quirks.hold:
                time.sleep(0.01)
            with self._turn:
                self._change(run, status="STARTED", started_at=_now())
                self._tell(run)
                self._end(run, self._execute(run, body))
        except (ComfypipeError, OSError) as error:
            self._change(run, status="ERROR", completed_at=_now(), output=_error(run, type(error).__name__, str(error)))
        self._tell(run)

    def _execute(self, run: JSONObject, body: JSONObject) -> "RunResult | PromptInvalid":
        if body.get("accelerator") in self.quirks.out_of_memory:
            words = "Allocation on device 0 would exceed allowed memory. (out of memory)"
            return RunResult(RunStatus.FAILED, error=RunFailed(words, exception_type="torch.OutOfMemoryError"))
        self.executed.append(run["id"])
        return asyncio.run(_executed(self.folder, run["id"], body["prompt"]))

    def _end(self, run: JSONObject, result: "RunResult | PromptInvalid") -> None:
        if isinstance(result, PromptInvalid):  # found out once there is a GPU to find it out on
            output = _error(run, "invalid_prompt", result.message, result.error, result.node_errors)
            self._change(run, status="ERROR", output=output, completed_at=_now(), run_time=2)
        elif self.quirks.status is not None:
            self._change(run, status=self.quirks.status, completed_at=_now(), user=None)
        elif result.error is not None:
            kind = getattr(result.error, "exception_type", None) or "Exception"
            output = _error(run, str(kind), result.error.message)
            self._change(run, status="ERROR", output=output, completed_at=_now(), run_time=2)
        else:
            saved = [self._output(run, each) for each in result.files if each.kind == "output"]
            shown: JSONObject = {"output": saved}
            if self.quirks.output_map:
                shown = {"output": None, "outputs": {_below(each["filename"], run): each["url"] for each in saved}}
            self._change(run, status="COMPLETED", completed_at=_now(), run_time=1500, **shown)

    def _output(self, run: JSONObject, file: OutputFile) -> JSONObject:
        place = f"{file.subfolder}/{file.filename}".strip("/")
        token = secrets.token_hex(8)
        self.files[token] = (place, self.folder / "output" / place)
        origin = self.url.removesuffix("/api/v1")
        return {
            "filename": f"/workflows/{run['workflow_id']}/output/{run['id']}/{place}",
            "url": f"{origin}/store/{token}/{file.filename}?expires=60",
            "thumbnail_url": f"{origin}/store/{token}/thumbnail.webp",
        }

    def renew(self, run: JSONObject) -> None:
        """Give the outputs of a run other URLs; the old ones hold no longer."""
        for each in run["output"] if isinstance(run["output"], list) else ():
            old = urlsplit(each["url"]).path.split("/")[2]
            new = secrets.token_hex(8)
            self.files[new] = self.files.pop(old)
            each["url"] = each["url"].replace(old, new)

    def _place(self, files: Mapping[str, str]) -> None:
        for place, url in files.items():
            destination = self.folder / place.lstrip("/")
            destination.parent.mkdir(parents=True, exist_ok=True)
            request = urllib.request.Request(url, headers={"User-Agent": "runs-api"})  # noqa: S310  the test's own URL
            with direct_opener().open(request, timeout=30) as reply:
                partial = destination.with_name(f".{secrets.token_hex(8)}.partial")
                partial.write_bytes(reply.read())
                partial.replace(destination)  # a run that has begun may be reading the same file

    def _tell(self, run: JSONObject) -> None:
        """Deliver the webhook; one that is not taken is not delivered again."""
        if run["webhook"]:
            data = json.dumps(run).encode()
            request = urllib.request.Request(run["webhook"], data, {"Content-Type": "application/json"})  # noqa: S310
            try:
                direct_opener().open(request, timeout=5).close()
            except OSError:
                return

    def _change(self, run: JSONObject, **changes: JSON) -> None:
        with self._lock:
            run.update(changes, updated_at=_now())


@contextmanager
def runs_api(folder: Path | None = None, *, key: str = "test-key", quirks: Quirks | None = None) -> Iterator[RunsApi]:
    """
    Serve a runs API like ComfyICU's from a thread of this process, while the block lasts.

    Its workflows are those whose id begins with ``wf_``.

    Args:
        folder: For its files; a temporary one where nothing is said.
        key: What clients have to send.
    """
    with TemporaryDirectory(prefix="comfypipe-") as place:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        server.daemon_threads = True
        url = f"http://127.0.0.1:{server.server_port}/api/v1"
        api = RunsApi(url, key, quirks or Quirks(), folder or Path(place))
        server.api = api  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield api
        finally:
            api.close()
            server.shutdown()
            server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    @property
    def api(self) -> RunsApi:
        found: RunsApi = self.server.api  # type: ignore[attr-defined]
        return found

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Make a run."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self._refused():
            return
        match self._parts():
            case ["api", "v1", "workflows", workflow_id, "runs"]:
                status, reply = self.api.create(workflow_id, json.loads(body))
                if status == 200 and self.api.quirks.lost_replies > 0:
                    self.api.quirks.lost_replies -= 1
                    self.close_connection = True
                    return
                self._reply(status, reply)
            case _:
                self._reply(404, {"error": "Not found"})

    def do_GET(self) -> None:
        """Show a run, or several, or give a file."""
        parts = self._parts()
        if parts[:1] == ["store"]:
            self._give(parts)
            return
        if self._refused():
            return
        match parts:
            case ["api", "v1", "workflows", workflow_id, "runs"] if workflow_id.startswith("wf_"):
                limit = parse_qs(urlsplit(self.path).query).get("limit")
                self._reply(200, self.api.listed(workflow_id)[: int(limit[0]) if limit else None])
            case ["api", "v1", "workflows", workflow_id, "runs", run_id]:
                run = self.api.runs.get(run_id)
                known = run is not None and run["workflow_id"] == workflow_id
                if known and run is not None and self.api.quirks.expired:
                    self.api.renew(run)
                    self.api.quirks.expired = False
                self._reply(200, run) if known else self._reply(404, {"message": "Run not found"})
            case _:
                self._reply(404, {"error": "Not found"})

    def _parts(self) -> list[str]:
        return [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]

    def _refused(self) -> bool:
        quirks = self.api.quirks
        self.api.requests.append(f"{self.command} {urlsplit(self.path).path.removeprefix('/api/v1')}")
        if self.headers.get("authorization") != f"Bearer {self.api.key}":
            self._reply(401, {"error": "Unauthorized"})
        elif quirks.unavailable > 0:
            quirks.unavailable -= 1
            self._reply(503, None)
        elif quirks.limited > 0:
            quirks.limited -= 1
            self._reply(429, {"message": "Too many requests"}, {"Retry-After": "0"})
        else:
            return False
        return True

    def _give(self, parts: list[str]) -> None:
        found = self.api.files.get(parts[1])
        if found is None or self.api.quirks.expired:
            self._reply(403, {"error": "AccessDenied"})
            return
        name, path = found
        self.api.fetched.append(("api" if self.headers.get("user-agent") == "runs-api" else "client", name))
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _reply(self, status: int, body: JSON, headers: Mapping[str, str] | None = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


async def _executed(folder: Path, run_id: str, prompt: JSONObject) -> "RunResult | PromptInvalid":
    backend = EmbeddedBackend(folder)
    try:
        return await backend.wait(await backend.submit(Submission(run_id, prompt)))
    except PromptInvalid as error:
        return error
    finally:
        await backend.close()


def _run_object(workflow_id: str, body: JSONObject) -> JSONObject:
    return {
        "id": "".join(secrets.choice(_ID) for _ in range(21)),
        "created_at": _now(),
        "updated_at": _now(),
        "deleted_at": None,
        "started_at": None,
        "completed_at": None,
        "run_time": None,
        "status": "QUEUED",
        "kind": "comfyui",
        "data": {"prompt": body["prompt"], "extra_data": {}, "accelerator": body.get("accelerator")},
        "workflow_id": workflow_id,
        "output": [],
        "error": None,
        "files": body.get("files") or {},
        "accelerator": body.get("accelerator"),
        "webhook": body.get("webhook"),
        "retry_count": 1,
        "user": {"id": "u", "name": "test", "image": "", "plan": "FREE"},
    }


def _error(
    run: JSONObject, kind: str, message: str, error: JSONObject | None = None, node_errors: JSONObject | None = None
) -> JSONObject:
    shown = error or {"type": kind, "details": "", "message": message, "extra_info": {}}
    return {
        "error": {
            "details": {"error": shown, "node_errors": node_errors or {}},
            "prompt_id": run["id"],
            "traceback": [],
            "exception_type": kind,
            "exception_message": message,
        }
    }


def _below(filename: str, run: JSONObject) -> str:
    mark = f"/output/{run['id']}/"
    return f"/output/{filename.partition(mark)[2]}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
