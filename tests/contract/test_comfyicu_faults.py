"""Lost replies and broken connections between the client and our own service: nothing is lost, nothing runs twice."""

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from tests.contract.own_service import own_service

from comfypipe.backends.base import RunResult, RunStatus
from comfypipe.backends.comfyicu import ComfyICUBackend
from comfypipe.backends.comfyicu.address import read_address
from comfypipe.backends.comfyicu.timing import ApiTiming
from comfypipe.errors import BackendUnavailable, SubmissionUnknown
from comfypipe.testing import FaultProxy, Refuse, Reset, Truncate, fault_proxy, picture_prompt, submission
from comfypipe.testing.proxy import Fault

QUICK = ApiTiming(first_poll_s=0.02, longest_poll_s=0.2, unreachable_s=3.0, settle_s=1.0)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the base URL of our own service."""
    with own_service(tmp_path_factory.mktemp("service")) as base_url:
        yield base_url


@pytest.fixture
def proxy(service: str) -> Iterator[FaultProxy]:
    """Return what stands between the client and the service."""
    with fault_proxy(f"http://{urlsplit(service).netloc}") as found:
        yield found


@pytest.fixture
def workflow_id() -> str:
    """Return a workflow that nobody used before."""
    return f"w{uuid4().hex}"


def client_of(proxy: FaultProxy, workflow_id: str) -> ComfyICUBackend:
    """Return a client behind the proxy."""
    return ComfyICUBackend(read_address(f"comfyicu+{proxy.url}/api/v1?workflow_id={workflow_id}"), timing=QUICK)


def runs(service: str, workflow_id: str) -> int:
    """Return how many runs the service has of a workflow."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{service}/workflows/{workflow_id}/runs", timeout=10) as reply:
        return len(json.load(reply))


@pytest.mark.parametrize("fault", [Reset(), Reset(40), Truncate(), Truncate(60)])
def test_a_create_whose_reply_is_lost_makes_one_run(
    service: str, proxy: FaultProxy, workflow_id: str, fault: Fault
) -> None:
    """It is sent again under the same key, which gives the same run."""

    async def work() -> RunResult:
        client = client_of(proxy, workflow_id)
        try:
            await client.find(str(uuid4()))
            await asyncio.to_thread(proxy.drop)
            proxy.script(fault, fault)
            return await client.wait(await client.submit(submission(picture_prompt(1))))
        finally:
            await client.close()

    assert RunStatus.COMPLETED == asyncio.run(work()).status
    assert 1 == runs(service, workflow_id)


def test_a_create_that_stays_in_doubt_is_found_when_the_service_is_back(
    service: str, proxy: FaultProxy, workflow_id: str
) -> None:
    """No reply for longer than the client waits: the submission is unknown, and found by its tag later on."""

    async def work() -> RunResult:
        client = client_of(proxy, workflow_id)
        try:
            await client.find(str(uuid4()))
            await asyncio.to_thread(proxy.drop)
            proxy.always(Reset())
            wanted = submission(picture_prompt(2))
            with pytest.raises(SubmissionUnknown):
                await client.submit(wanted)
            proxy.always(None)
            await asyncio.to_thread(proxy.drop)
            found = await client.find(wanted.prompt_id)
            assert found is not None
            return await client.wait(found)
        finally:
            await client.close()

    assert RunStatus.COMPLETED == asyncio.run(work()).status
    assert 1 == runs(service, workflow_id)


def test_polls_and_events_that_break_off_cost_nothing(service: str, proxy: FaultProxy, workflow_id: str) -> None:
    """The client asks again, and comes to the end."""

    async def work() -> RunResult:
        client = client_of(proxy, workflow_id)
        try:
            handle = await client.submit(submission(picture_prompt(3)))
            proxy.script(Reset(), Truncate(30), Reset(10), Refuse())
            await asyncio.to_thread(proxy.drop)
            return await client.wait(handle)
        finally:
            await client.close()

    assert RunStatus.COMPLETED == asyncio.run(work()).status
    assert 1 == runs(service, workflow_id)


def test_a_service_that_was_never_there_is_said_at_once(service: str, proxy: FaultProxy, workflow_id: str) -> None:
    """Nothing was sent: another try may do better."""
    proxy.always(Refuse())

    async def work() -> None:
        client = client_of(proxy, workflow_id)
        try:
            await client.submit(submission(picture_prompt(4)))
        finally:
            await client.close()

    with pytest.raises(BackendUnavailable):
        asyncio.run(work())
