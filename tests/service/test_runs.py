"""Runs over HTTP: ComfyICU's shape, and what goes beyond it."""

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.service.client import Client, served
from tests.service.hosting import hosting
from tests.service.materials import copy_prompt, picture_prompt, png, slow_prompt

from comfypipe.service.settings import ServiceSettings

RUN_KEYS = """
id created_at updated_at deleted_at started_at completed_at run_time status kind data workflow workflow_api workflow_id
output error files name tags view_count download_count is_nsfw user_id device accelerator visibility parent_workflow_id
parent_run_id api_key_id retry_count client_agent webhook project_id user metadata
"""
WORKFLOW_KEYS = """
id name description created_at updated_at tags is_nsfw visibility user_id current_run_id models accelerator project_id
deleted_at featuredImages
"""


def test_a_prompt_runs_and_its_output_downloads(client: Client) -> None:
    """A prompt that is posted runs on the embedded engine; the URL of its output opens without a key."""
    reply = client.post({"prompt": picture_prompt()}, "first")
    assert (200, ["id"]) == (reply.status_code, list(reply.json()))
    assert re.fullmatch(r"[A-Za-z0-9_-]{21}", reply.json()["id"])
    run = client.end(reply.json()["id"], "first")
    assert ("COMPLETED", 1) == (run["status"], len(run["output"]))
    file = httpx.get(run["output"][0]["url"], trust_env=False)
    assert (200, b"\x89PNG", "nosniff") == (
        file.status_code,
        file.content[:4],
        file.headers["x-content-type-options"],
    )
    thumbnail = httpx.get(run["output"][0]["thumbnail_url"], trust_env=False)
    assert (200, "image/webp") == (thumbnail.status_code, thumbnail.headers["content-type"])


def test_a_run_has_every_key_of_comfyicu_and_no_other(client: Client) -> None:
    """The run object and the workflow object have exactly the keys of ComfyICU's."""
    run_id = client.run({"prompt": picture_prompt()}, "keys")["id"]
    run = client.get(run_id, "keys")
    assert set(RUN_KEYS.split()) == set(run)
    assert {"filename", "url", "thumbnail_url"} == set(run["output"][0])
    assert f"/workflows/keys/output/{run_id}/picture_00001_.png" == run["output"][0]["filename"]
    assert isinstance(run["run_time"], int)
    assert run["error"] is None
    workflow = client.http.get("/workflows/keys").json()
    assert set(WORKFLOW_KEYS.split()) == set(workflow)
    assert run_id == workflow["current_run_id"]


def test_a_failed_run_says_why_in_comfyicus_place(client: Client) -> None:
    """On ERROR `error` stays null and `output` becomes an object; extended, `error` says it too."""
    run_id = client.start({"prompt": {"1": {"class_type": "NoSuchNode", "inputs": {}}}})
    extended = client.end(run_id)
    run = client.get(run_id)
    assert ("ERROR", None) == (run["status"], run["error"])
    said = run["output"]["error"]
    assert {"details", "prompt_id", "traceback", "exception_type", "exception_message"} == set(said)
    assert (run_id, "invalid_prompt") == (said["prompt_id"], said["exception_type"])
    assert {"error", "node_errors"} == set(said["details"])
    assert "NoSuchNode" in extended["error"]["message"]


def test_previews_are_no_outputs(client: Client) -> None:
    """A run that only previews completes, with no output."""
    prompt = picture_prompt()
    prompt["2"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    run = client.run({"prompt": prompt})
    assert ("COMPLETED", []) == (run["status"], run["output"])


def test_equal_names_of_two_runs_do_not_meet(client: Client) -> None:
    """Two runs that bring different files under one name each load their own."""
    runs = []
    for colour in ((255, 0, 0), (0, 0, 255)):
        upload = client.http.put("/files/photo.png", content=png(colour)).json()
        runs.append(client.start({"prompt": copy_prompt("image1.png"), "files": {"/input/image1.png": upload["url"]}}))
    made = [httpx.get(client.end(each)["output"][0]["url"], trust_env=False).content for each in runs]
    assert made[0] != made[1]


def test_an_output_can_be_the_file_of_the_next_run(client: Client) -> None:
    """The URL of an output, as a file of another run, is found here and not fetched."""
    first = client.run({"prompt": picture_prompt(0x00FF00)})
    files = {"input/deep/er/one.png": first["output"][0]["url"]}
    second = client.run({"prompt": copy_prompt("deep/er/one.png"), "files": files})
    assert "COMPLETED" == second["status"], second["error"]


def test_files_are_fetched_before_the_run_and_counted_apart(settings: ServiceSettings) -> None:
    """A file at a URL is fetched once for two runs; how long that took stands beside the run time."""
    with hosting({"a.png": png()}) as host:
        allowed = ServiceSettings(settings.data, authenticate=False, allow_origins=frozenset({host.origin}))
        with served(allowed) as client:
            body = {"prompt": copy_prompt("a.png"), "files": {"/input/a.png": host.url("a.png")}}
            runs = [client.run(body), client.run(body)]
        assert ["COMPLETED"] * 2 == [each["status"] for each in runs]
        assert ["a.png"] == host.asked
        assert all(isinstance(each["comfypipe"]["download_time"], int) for each in runs)


def test_a_file_that_cannot_be_had_fails_the_run(settings: ServiceSettings) -> None:
    """A URL that answers 404 ends the run with an error that says so; it never starts."""
    with hosting({}) as host:
        allowed = ServiceSettings(settings.data, authenticate=False, allow_origins=frozenset({host.origin}))
        with served(allowed) as client:
            run = client.run({"prompt": copy_prompt("a.png"), "files": {"/input/a.png": host.url("a.png")}})
    assert ("ERROR", None) == (run["status"], run["started_at"])
    assert "404" in run["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({}, 400, "invalid-request"),
        ({"prompt": []}, 400, "invalid-prompt"),
        ({"prompt": {}}, 400, "invalid-prompt"),
        ({"prompt": {"1": {"inputs": {}}}}, 400, "invalid-prompt"),
        ({"prompt": {"1": {"class_type": "A"}}}, 400, "invalid-prompt"),
        ({"prompt": {"nodes": [], "links": []}}, 400, "invalid-prompt"),
        ({"prompt": picture_prompt(), "inputs": {}}, 400, "invalid-request"),
        ({"inputs": {}, "files": {"/input/x": "https://example.com/x"}}, 400, "invalid-request"),
        ({"prompt": picture_prompt(), "preset": "draft"}, 400, "invalid-request"),
        ({"prompt": picture_prompt(), "accelerator": "ABACUS"}, 400, "unknown-accelerator"),
        ({"prompt": picture_prompt(), "files": {"/input/../x": "https://example.com/x"}}, 400, "invalid-file"),
        ({"prompt": picture_prompt(), "files": {"/custom_nodes/x.py": "https://example.com/x"}}, 400, "invalid-file"),
        ({"prompt": picture_prompt(), "files": {f"/input/{'x' * 201}": "https://example.com/x"}}, 400, "invalid-file"),
        ({"prompt": picture_prompt(), "files": {"/input/nul.png": "https://example.com/x"}}, 400, "invalid-file"),
        ({"prompt": picture_prompt(), "files": {"/input/x": "http://127.0.0.1/x"}}, 400, "invalid-file"),
        ({"prompt": picture_prompt(), "files": {"/input/x": "file:///etc/passwd"}}, 400, "invalid-file"),
        ({"prompt": picture_prompt(), "webhook": "http://169.254.169.254/"}, 400, "invalid-webhook"),
        ({"prompt": picture_prompt(), "webhook": 7}, 400, "invalid-request"),
        ({"prompt": picture_prompt(), "tags": ["x" * 65]}, 400, "invalid-request"),
        ({"inputs": {}}, 404, "not-found"),
    ],
)
def test_bad_requests_are_refused_in_the_apis_shape(client: Client, body: Any, status: int, kind: str) -> None:
    """What cannot be run is answered with `error` and `message`, and nothing of it is stored."""
    reply = client.post(body, "never")
    assert (status, kind) == (reply.status_code, reply.json()["error"])
    assert reply.json()["message"]
    assert 404 == client.http.get("/workflows/never/runs").status_code


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"nul", b'{"prompt": NaN}', b"[" * 100_000, b'{"a":' * 5000, b"\xff\xfe", b'"\\ud800"']
)
def test_what_is_no_json_object_is_refused(client: Client, body: bytes) -> None:
    """A body that is broken, too deep or no object gets 400."""
    reply = client.http.post("/workflows/w/runs", content=body, headers={"Content-Type": "application/json"})
    assert (400, True) == (reply.status_code, bool(reply.json()["message"]))


def test_plain_text_is_refused(client: Client) -> None:
    """A web page of another origin can only send what is not called JSON: 415."""
    assert (
        415 == client.http.post("/workflows/w/runs", content=b"{}", headers={"Content-Type": "text/plain"}).status_code
    )


def test_web_pages_of_others_get_nothing(client: Client) -> None:
    """Without keys, requests by a foreign name or from a foreign page are answered 403."""
    headers = ({"Host": "evil.example"}, {"Origin": "http://evil.example"})
    assert [403, 403] == [client.http.get("/workflows", headers=each).status_code for each in headers]


def test_unknown_ids_are_404(client: Client) -> None:
    """Unknown workflows and runs, and ids that can be none, answer 404 in the API's shape."""
    run_id = client.run({"prompt": picture_prompt()}, "mine")["id"]
    paths = ["/workflows/other", "/workflows/other/runs", f"/workflows/other/runs/{run_id}", "/workflows/mine/runs/x"]
    assert [404] * 4 == [client.http.get(path).status_code for path in paths]
    assert 404 == client.post({"prompt": picture_prompt()}, "no%20such").status_code


def test_only_known_workflows_where_that_is_asked(settings: ServiceSettings) -> None:
    """With any_workflow off, a prompt under an unknown id is 404, and under one that was made is run."""
    with served(ServiceSettings(settings.data, authenticate=False, any_workflow=False)) as client:
        assert 404 == client.post({"prompt": picture_prompt()}, "made").status_code
        assert 200 == client.http.put("/workflows/made", json={"name": "Made"}).status_code
        assert "COMPLETED" == client.run({"prompt": picture_prompt()}, "made")["status"]


def test_one_key_makes_one_run(client: Client) -> None:
    """Of 200 requests at once with one Idempotency-Key one run comes; another body with it is 422."""
    body = {"prompt": picture_prompt(0x123456)}

    def ask(_: int) -> tuple[int, str]:
        reply = client.post(body, "once", headers={"Idempotency-Key": "k-1"})
        return reply.status_code, reply.text

    with ThreadPoolExecutor(50) as pool:
        answers = set(pool.map(ask, range(200)))
    assert 1 == len(answers)
    assert 200 == next(iter(answers))[0]
    assert 1 == len(client.http.get("/workflows/once/runs").json())
    other = client.post({"prompt": picture_prompt(1)}, "once", headers={"Idempotency-Key": "k-1"})
    assert (422, "idempotency-key-reused") == (other.status_code, other.json()["error"])


def test_lists_come_in_pages_and_can_be_filtered(client: Client) -> None:
    """A list is a bare array, newest first; Link leads through all of it; tag and status filter."""
    ids = [client.start({"prompt": picture_prompt(n), "tags": [f"t{n % 2}", 'q"%_']}, "many") for n in range(5)]
    for each in ids:
        client.end(each, "many")
    pages, url = [], "/workflows/many/runs?limit=2"
    while url:
        reply = client.http.get(url)
        pages.append([each["id"] for each in reply.json()])
        url = reply.links.get("next", {}).get("url", "")
    assert [2, 2, 1] == [len(page) for page in pages]
    assert set(ids) == {each for page in pages for each in page}
    found = client.http.get("/workflows/many/runs", params={"tag": "t1"}).json()
    assert {ids[1], ids[3]} == {each["id"] for each in found}
    assert 5 == len(client.http.get("/workflows/many/runs", params={"tag": 'q"%_'}).json())
    assert [] == client.http.get("/workflows/many/runs", params={"status": "QUEUED"}).json()


def test_runs_are_cancelled_waiting_or_executing(settings: ServiceSettings) -> None:
    """Cancelling ends a run that waits as well as one that is executed; one that has ended stays as it is."""
    with served(settings) as client:
        running = client.start({"prompt": slow_prompt(1, 200)})
        waiting = [client.start({"prompt": slow_prompt(n)}) for n in range(2, 14)]
        for each in (*waiting, running):
            assert "ERROR" == client.http.post(f"/workflows/w/runs/{each}/cancel").json()["status"]
        assert {"cancelled"} == {client.end(each)["error"]["type"] for each in (running, *waiting)}
        done = client.run({"prompt": picture_prompt()})
        assert "COMPLETED" == client.http.post(f"/workflows/w/runs/{done['id']}/cancel").json()["status"]


def test_a_workflow_has_an_accelerator_for_runs_that_ask_for_none(client: Client) -> None:
    """What PUT said of the workflow holds where a run says nothing."""
    client.http.put("/workflows/on_l4", json={"accelerator": "L4"})
    asked = [{"prompt": picture_prompt()}, {"prompt": picture_prompt(), "accelerator": "H100"}]
    assert ["L4", "H100"] == [client.run(each, "on_l4")["accelerator"] for each in asked]


def test_events_tell_a_run_to_its_end_and_go_on_where_they_broke_off(client: Client) -> None:
    """The stream has status, progress and end; with Last-Event-ID only what came after it."""
    run_id = client.run({"prompt": picture_prompt(0x777777)})["id"]
    told = client.http.get(f"/workflows/w/runs/{run_id}/events").text
    kinds = re.findall(r"^event: (\w+)$", told, re.MULTILINE)
    assert {"status", "progress", "end"} == set(kinds)
    assert "end" == kinds[-1]
    ids = re.findall(r"^id: (\S+)$", told, re.MULTILINE)
    rest = client.http.get(f"/workflows/w/runs/{run_id}/events", headers={"Last-Event-ID": ids[-2]}).text
    assert ids[-1:] == re.findall(r"^id: (\S+)$", rest, re.MULTILINE)


def test_a_watcher_sees_the_run_while_it_goes_on(client: Client) -> None:
    """Who listens from the start is told of nodes before the run has ended."""
    run_id = client.start({"prompt": slow_prompt(0x222222, 4)})
    seen: list[str] = []
    with client.http.stream("GET", f"/workflows/w/runs/{run_id}/events") as stream:
        for line in stream.iter_lines():
            if line.startswith("event: "):
                seen.append(client.get(run_id)["status"] if line == "event: progress" and not seen else line)
    assert "COMPLETED" != seen[0]
    assert "event: end" == seen[-1]


def test_files_answer_ranges_and_conditions(client: Client) -> None:
    """Outputs can be asked about, fetched in parts, and not at all when the client has them; a forged URL is 404."""
    run = client.run({"prompt": picture_prompt()})
    url = run["output"][0]["url"]
    whole = client.http.get(url)
    asked = client.http.head(url)
    assert (200, str(len(whole.content)), b"") == (asked.status_code, asked.headers["content-length"], asked.content)
    assert 200 == client.http.head(run["output"][0]["thumbnail_url"]).status_code
    part = client.http.get(url, headers={"Range": "bytes=1-3"})
    assert (206, b"PNG") == (part.status_code, part.content)
    assert 416 == client.http.get(url, headers={"Range": "bytes=99999-"}).status_code
    assert 304 == client.http.get(url, headers={"If-None-Match": whole.headers["etag"]}).status_code
    pieces = url.split("/")
    pieces[-2] = pieces[-2][::-1]
    assert 404 == client.http.get("/".join(pieces)).status_code
    assert 404 == client.http.head("/".join(pieces)).status_code


def test_scripts_are_saved_and_not_shown(client: Client) -> None:
    """An uploaded page comes back as an attachment of plain bytes."""
    url = client.http.put("/files/page.html", content=b"<script>alert(1)</script>").json()["url"]
    reply = client.http.get(url)
    assert "application/octet-stream" == reply.headers["content-type"]
    assert reply.headers["content-disposition"].startswith("attachment")


def test_uploads_are_kept_once_and_checked(settings: ServiceSettings) -> None:
    """The same bytes under one name are one upload; wrong digests and too many bytes are refused."""
    with served(ServiceSettings(settings.data, authenticate=False, upload_bytes=1000)) as client:
        first = client.http.put("/files/a.bin", content=b"abc").json()
        assert first == client.http.put("/files/a.bin", content=b"abc").json()
        assert [first] == client.http.get("/files", params={"sha256": first["sha256"]}).json()
        assert 400 == client.http.put("/files/a.bin", params={"sha256": "0" * 64}, content=b"abc").status_code
        assert 413 == client.http.put("/files/a.bin", content=b"x" * 1001).status_code
        chunks = (b"x" * 100 for _ in range(100))
        assert 413 == client.http.put("/files/a.bin", content=chunks).status_code
        assert 1 == len(client.http.get("/files").json())


def test_two_services_do_not_share_a_folder(settings: ServiceSettings) -> None:
    """The second process that would serve from a folder is told so."""
    with served(settings), pytest.raises(Exception, match="another process serves"), served(settings):
        pass


def test_surrogate_halves_come_back(client: Client) -> None:
    """A prompt with half of a surrogate pair, which ComfyUI takes, is taken and shown as it was."""
    prompt = picture_prompt()
    prompt["1"]["_meta"] = {"title": "\ud83d"}
    body, headers = json.dumps({"prompt": prompt}), {"Content-Type": "application/json"}
    run = client.end(client.http.post("/workflows/w/runs", content=body, headers=headers).json()["id"])
    assert ("COMPLETED", prompt) == (run["status"], run["data"]["prompt"])


def test_runs_that_end_together_are_all_told(client: Client) -> None:
    """Forty clients at once each get their own run back."""
    results: dict[int, str] = {}

    def one(number: int) -> None:
        run = client.run({"prompt": picture_prompt(number * 1000), "name": f"n{number}"})
        results[number] = f"{run['status']} {run['name']}"

    threads = [threading.Thread(target=one, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: f"COMPLETED n{number}" for number in range(40)} == results


@pytest.mark.parametrize("name", ["a\0b", "a\ud800"])
def test_a_name_that_no_database_keeps_is_refused(client: Client, name: str) -> None:
    """NUL characters and halves of surrogate pairs in a name are an invalid request; in a prompt they are data."""
    headers = {"Content-Type": "application/json"}
    for field, status in (("name", 400), ("metadata", 200)):
        value = {"is": name} if field == "metadata" else name
        content = json.dumps({"prompt": picture_prompt(), field: value})
        assert status == client.http.post("/workflows/w/runs", content=content, headers=headers).status_code


def test_the_pages_take_nothing_from_elsewhere(client: Client) -> None:
    """What the page of runs and that of the API name is ours, and the browser is told to allow no more."""
    root = client.base_url.removesuffix("/api/v1")
    for page in (f"{root}/", f"{root}/api/v1/docs"):
        reply = client.http.get(page)
        assert reply.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        named = [httpx.URL(page).join(each) for each in re.findall(r'(?:src|href)="([^"#]*)"', reply.text)]
        ours = [each for each in named if each.scheme != "data"]
        assert {httpx.URL(root).port} == {each.port for each in ours}
        assert [200] * len(ours) == [client.http.get(each).status_code for each in ours]
