"""The client against an API that has what ComfyICU's documentation has, and nothing else."""

import asyncio
import io
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image
from tests.unit.backends.comfyicu.conftest import FAST, Open

from comfypipe.backends.base import InputFile, NodeProgress, OutputFile, RunHandle, RunResult, RunStatus, Submission
from comfypipe.backends.comfyicu import ComfyICUBackend
from comfypipe.backends.comfyicu.address import read_address
from comfypipe.backends.comfyicu.receiver import WebhookReceiver
from comfypipe.errors import (
    AuthenticationFailed,
    BackendError,
    BackendRejected,
    BackendUnavailable,
    OutOfMemory,
    OutputGone,
    RunFailed,
    ServerStateLost,
    SubmissionUnknown,
    UsageError,
)
from comfypipe.testing import RunsApi, fault_proxy, fetched, node, picture_prompt, run, submission
from comfypipe.testing.proxy import Reset

Work = Callable[[ComfyICUBackend], Awaitable[Any]]


def use(client: ComfyICUBackend, work: Work) -> Any:
    """Do something with a client, and close it."""

    async def whole() -> Any:
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(whole())


def test_a_run_is_made_followed_and_its_picture_fetched(open_client: Open, tmp_path: Path) -> None:
    """The picture comes from the node that saved it, under the name that it was given, in the time that was told."""

    async def work(client: ComfyICUBackend) -> tuple[RunResult, bytes, list[str]]:
        told: list[NodeProgress] = []
        wanted = submission(picture_prompt(0xFF8000, prefix="shop/vase"))
        result = await client.wait(await client.submit(wanted), told.append)
        return result, await fetched(client, result.files[0], tmp_path), [each.state for each in told]

    result, content, told = use(open_client(), work)
    (file,) = result.files
    assert (RunStatus.COMPLETED, None, 1.5) == (result.status, result.error, result.execution_s)
    assert ("2", "images", "vase_00001_.png", "shop", "output") == (
        file.node_id,
        file.key,
        file.filename,
        file.subfolder,
        file.kind,
    )
    assert [(16 * 8, (255, 128, 0))] == Image.open(io.BytesIO(content)).getcolors()
    assert ["queued", "started"] == told


def test_files_tell_which_node_saved_them(open_client: Open, api: RunsApi) -> None:
    """Two nodes with the same prefix, one with an odd id, are told apart, in both forms of outputs."""
    image = picture_prompt(1)["1"]
    saves = {each: node("SaveImage", images=["1", 0], filename_prefix="same") for each in ("2", "2:0.ä")}
    for output_map in (False, True):
        api.quirks.output_map = output_map
        result = use(open_client(), lambda client: run(client, {"1": image, **saves}))
        shown = {each.node_id: each.filename.rpartition("_")[0].rpartition("_")[0] for each in result.files}
        assert {"2": "same", "2:0.ä": "same"} == shown


def test_a_preview_is_not_kept(open_client: Open) -> None:
    """What is not saved below output is no output."""
    prompt = picture_prompt(2) | {"look": node("PreviewImage", images=["1", 0])}
    assert ["2"] == [each.node_id for each in use(open_client(), lambda client: run(client, prompt)).files]


def test_a_lost_reply_is_found_again_by_its_mark(open_client: Open, api: RunsApi) -> None:
    """The run whose reply was lost is the one that is waited for; nothing is made twice."""
    api.quirks.lost_replies = 1

    async def work(client: ComfyICUBackend) -> RunResult:
        wanted = submission(picture_prompt(3))
        with pytest.raises(SubmissionUnknown, match="was lost"):
            await client.submit(wanted)
        found = await client.find(wanted.prompt_id)
        assert found is not None
        return await client.wait(found)

    assert RunStatus.COMPLETED == use(open_client(), work).status
    assert 1 == len(api.runs) == len(api.executed)


def test_a_run_of_an_earlier_process_is_found_where_it_was_recorded(open_client: Open) -> None:
    """The handle's server leads to it, without a look through the list; one that was deleted is not found."""

    async def submit(client: ComfyICUBackend) -> RunHandle:
        return await client.submit(submission(picture_prompt(4)))

    handle = use(open_client(), submit)
    assert handle == use(open_client(), lambda client: client.find(handle.prompt_id, handle.server))
    assert use(open_client(), lambda client: client.find(handle.prompt_id, "wf_test/deleted")) is None


@pytest.mark.parametrize("bare", [False, True])
def test_a_fresh_process_finds_an_unconfirmed_run_in_the_list(open_client: Open, api: RunsApi, bare: bool) -> None:
    """Its mark is in the prompt, which is asked for run by run where the list does not show it."""
    api.quirks.bare_list = bare
    wanted = submission(picture_prompt(5))
    handle = use(open_client(), lambda client: client.submit(wanted))
    assert handle == use(open_client(), lambda client: client.find(wanted.prompt_id))
    assert use(open_client(), lambda client: client.find(str(uuid4()))) is None


def test_what_the_list_cannot_tell_is_said_to_be_unknown(open_client: Open, api: RunsApi) -> None:
    """A list that was cut off before the time in question proves nothing: the submission stays unknown."""
    wanted = submission(picture_prompt(6))

    async def fill(client: ComfyICUBackend) -> None:
        await client.submit(wanted)
        for _ in range(12):
            await client.submit(submission(picture_prompt(7)))

    use(open_client(), fill)
    api.quirks.listed = 11
    with pytest.raises(SubmissionUnknown, match="too few runs") as raised:
        use(open_client(), lambda client: client.find(wanted.prompt_id))
    assert "--no-cache" in str(raised.value.hint)


def test_an_overloaded_api_is_asked_again_but_a_create_only_where_it_was_refused(
    open_client: Open, api: RunsApi
) -> None:
    """After 429 nothing was made, and it is sent again; after 503 that is not known."""
    api.quirks.limited = 3
    assert RunStatus.COMPLETED == use(open_client(), lambda client: run(client, picture_prompt(8))).status

    async def submit(client: ComfyICUBackend) -> RunHandle:
        await client.find(str(uuid4()))  # it knows now which API this is
        api.quirks.unavailable = 1
        return await client.submit(submission(picture_prompt(9)))

    with pytest.raises(SubmissionUnknown, match="HTTP 503"):
        use(open_client(), submit)
    assert 1 == len(api.runs)


def test_a_connection_that_breaks_amid_polls_costs_nothing(api: RunsApi) -> None:
    """Polls are sent again; the run is not."""
    port = int(api.url.split(":")[2].split("/")[0])
    with fault_proxy(f"http://127.0.0.1:{port}") as proxy:
        address = read_address(f"comfyicu+{proxy.url}/api/v1?workflow_id=wf_test")

        async def work(client: ComfyICUBackend) -> RunResult:
            handle = await client.submit(submission(picture_prompt(10)))
            proxy.script(Reset(), Reset())
            await asyncio.to_thread(proxy.drop)
            return await client.wait(handle)

        assert RunStatus.COMPLETED == use(ComfyICUBackend(address, key=api.key, timing=FAST), work).status
    assert 1 == len(api.executed)


def test_the_first_accelerator_that_the_api_knows_is_taken(open_client: Open, api: RunsApi) -> None:
    """Unknown ones are passed over, refused ones too; the handle names it; when none is left, that is said."""

    def on(*wanted: str) -> tuple[str | None, str | None]:
        prompt = Submission(str(uuid4()), picture_prompt(11), accelerator=wanted)
        handle = use(open_client(), lambda client: client.submit(prompt))
        return [*api.runs.values()][-1]["accelerator"], handle.accelerator

    assert ("A100_40GB", "a100-40gb") == on("RTX_9000", "a100-40gb", "H100")
    api.quirks.unknown_accelerators = ("A100_40GB",)
    assert ("H100", "H100") == on("a100-40gb", "H100")
    for wanted in (("RTX_9000",), ("A100_40GB",)):
        with pytest.raises(BackendRejected, match="accelerator"):
            on(*wanted)


def test_out_of_memory_is_told_from_other_failures(open_client: Open, api: RunsApi) -> None:
    """The next accelerator may do better."""
    api.quirks.out_of_memory = ("T4",)
    prompt = Submission(str(uuid4()), picture_prompt(12), accelerator=("T4",))

    async def work(client: ComfyICUBackend) -> RunResult:
        return await client.wait(await client.submit(prompt))

    result = use(open_client(), work)
    assert (RunStatus.FAILED, OutOfMemory) == (result.status, type(result.error))


def test_an_invalid_prompt_fails_late_and_names_the_node(open_client: Open) -> None:
    """The API finds out when the run begins; the error is in the output."""
    prompt = picture_prompt(1) | {"3": node("NoSuchNodeClass", image=["1", 0])}
    result = use(open_client(), lambda client: run(client, prompt))
    assert (RunStatus.FAILED, RunFailed) == (result.status, type(result.error))
    assert "NoSuchNodeClass" in str(result.error)


@pytest.mark.parametrize(
    ("status", "means", "words"),
    [
        ("INSUFFICIENT_CREDIT", RunStatus.FAILED, "credit"),
        ("TIMEOUT", RunStatus.FAILED, "too long"),
        ("FAILED", RunStatus.FAILED, "ended as FAILED"),
        ("CANCELLED", RunStatus.CANCELLED, "cancelled"),
        ("EXPLODED", RunStatus.FAILED, "ended as EXPLODED"),
    ],
)
def test_every_status_is_an_end_that_says_what_it_is(
    open_client: Open, api: RunsApi, status: str, means: RunStatus, words: str
) -> None:
    """Also the one that nobody knows, once the run has a time of its end."""
    api.quirks.status = status
    result = use(open_client(), lambda client: run(client, picture_prompt(13)))
    assert means == result.status
    assert words in str(result.error)


def test_outputs_are_passed_on_by_url(open_client: Open, api: RunsApi) -> None:
    """The next run has the file, which the client never fetched."""

    async def work(client: ComfyICUBackend) -> RunResult:
        first = await run(client, picture_prompt(0x00FF00))
        file = InputFile("input/comfypipe/abc/made.png", url=first.files[0].url)
        prompt = {
            "1": node("LoadImage", image="comfypipe/abc/made.png"),
            "2": node("SaveImage", images=["1", 0], filename_prefix="again"),
        }
        return await run(client, prompt, file)

    result = use(open_client(), work)
    assert (RunStatus.COMPLETED, None) == (result.status, result.error)
    assert ["api"] == [who for who, _ in api.fetched]


def test_models_of_the_manifest_go_along(open_client: Open, api: RunsApi) -> None:
    """Each under its place in ComfyUI's folder, from its URL."""
    first = use(open_client(), lambda client: run(client, picture_prompt(14)))
    model = InputFile("models/loras/ink.safetensors", url=first.files[0].url)
    wanted = Submission(str(uuid4()), picture_prompt(15), model_files=(model,))
    use(open_client(), lambda client: client.submit(wanted))
    assert {"/models/loras/ink.safetensors": model.url} == [*api.runs.values()][-1]["files"]


def test_a_file_of_this_machine_needs_a_place_that_can_be_reached(open_client: Open, tmp_path: Path) -> None:
    """Without one the error says what would be one, and nothing is submitted."""
    path = tmp_path / "photo.png"
    path.write_bytes(b"x")
    file = InputFile("input/photo.png", "ab" * 32, path)
    with pytest.raises(BackendRejected, match="cannot fetch it") as raised:
        use(open_client(), lambda client: run(client, picture_prompt(16), file))
    assert "staging" in str(raised.value.hint)
    assert "comfypipe serve" in str(raised.value.hint)


def test_a_url_that_holds_no_longer_is_asked_for_anew(open_client: Open, api: RunsApi, tmp_path: Path) -> None:
    """And when the run is gone too, so is the file."""

    async def work(client: ComfyICUBackend) -> None:
        result = await run(client, picture_prompt(17))
        api.quirks.expired = True
        assert (await fetched(client, result.files[0], tmp_path)).startswith(b"\x89PNG")
        api.quirks.expired = True
        api.runs.clear()
        with pytest.raises(OutputGone, match="gone"):
            await fetched(client, result.files[0], tmp_path)

    use(open_client(), work)


@pytest.mark.parametrize("filename", ["no-such-file.png", "../../escape.png", "/etc/hostname"])
def test_a_file_without_a_url_is_not_fetched(open_client: Open, tmp_path: Path, filename: str) -> None:
    """It is none of the API's."""
    with pytest.raises(BackendError):
        use(open_client(), lambda client: client.fetch(OutputFile("1", "images", filename), tmp_path / "file"))
    assert [] == [*tmp_path.iterdir()]


def test_cancelling_says_that_the_run_goes_on(open_client: Open, api: RunsApi) -> None:
    """The API has no way to; of a run that has ended nothing is said."""
    api.quirks.hold = True

    async def work(client: ComfyICUBackend) -> None:
        handle = await client.submit(submission(picture_prompt(18)))
        with pytest.raises(BackendError, match="no way to cancel"):
            await client.cancel(handle)
        api.quirks.hold = False
        await client.wait(handle)
        await client.cancel(handle)

    use(open_client(), work)


def test_a_run_that_nobody_knows_is_lost(open_client: Open) -> None:
    """It is neither found nor waited for."""
    with pytest.raises(ServerStateLost):
        use(open_client(), lambda client: client.wait(RunHandle(str(uuid4()))))
    with pytest.raises(ServerStateLost):
        use(open_client(), lambda client: client.wait(RunHandle("x", server="wf_test/deleted", remote_id="deleted")))


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"key": "wrong"}, AuthenticationFailed, "Unauthorized"),
        ({"address": "comfyicu+http://127.0.0.1:9/api/v1?workflow_id=wf_x"}, BackendUnavailable, "cannot be reached"),
        ({"workflow": "missing"}, BackendRejected, "no such workflow"),
        ({"workflow": ""}, UsageError, "does not say which workflow"),
    ],
)
def test_what_keeps_a_run_from_being_made_is_said(
    api: RunsApi, settings: Mapping[str, str], error: type[Exception], words: str
) -> None:
    """At once, and in words that help."""
    query = {"missing": "?workflow_id=missing", "": ""}.get(settings.get("workflow", "x"), "?workflow_id=wf_test")
    address = read_address(settings.get("address", f"comfyicu+{api.url}{query}"))
    client = ComfyICUBackend(address, key=settings.get("key", api.key), timing=FAST)
    with pytest.raises(error, match=words):
        use(client, lambda each: each.submit(submission(picture_prompt(19))))


def test_a_key_is_asked_for_before_anything_is_sent() -> None:
    """The hosted API has none for free."""
    with pytest.raises(AuthenticationFailed, match="wants a key"):
        use(ComfyICUBackend(read_address("comfyicu:")), lambda each: each.submit(submission(picture_prompt(20))))


def test_a_webhook_makes_the_client_ask_at_once(open_client: Open, api: RunsApi) -> None:
    """Polls so far apart that the test would not end find the end all the same, when it is told."""
    slow = replace(FAST, first_poll_s=30.0, told_poll_s=30.0)

    async def work(_: ComfyICUBackend) -> RunResult:
        receiver = WebhookReceiver("http://placeholder/hook", "127.0.0.1:0")
        await receiver.open(lambda _run_id: None)
        receiver.url = f"http://127.0.0.1:{receiver.port}/hook"
        client = open_client(receiver=receiver, timing=slow)
        try:
            async with asyncio.timeout(20):
                return await run(client, picture_prompt(21))
        finally:
            await client.close()

    assert RunStatus.COMPLETED == use(open_client(), work).status


def test_the_prompt_that_is_sent_is_json_of_ascii(open_client: Open, api: RunsApi) -> None:
    """Half of a surrogate pair in a text does no harm."""
    prompt = picture_prompt(22) | {"note": node("PreviewAny", source="\ud800")}
    use(open_client(), lambda client: run(client, prompt))
    assert "\\ud800" in json.dumps([*api.runs.values()][-1]["data"]["prompt"])
