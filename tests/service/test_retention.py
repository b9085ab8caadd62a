"""What has ended long ago is forgotten, with all that was kept of it, and nothing that somebody needs."""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from tests.service.client import served
from tests.service.materials import copy_prompt, picture_prompt, png
from tests.service.opening import FAR_MS, opened, stored

from comfypipe.service.retention import prune
from comfypipe.service.rows import RunRow
from comfypipe.service.runs import add_run
from comfypipe.service.settings import ServiceSettings
from comfypipe.service.webhooks import outbox


def done(work: Coroutine[Any, Any, None]) -> None:
    """Do it to the end."""
    asyncio.run(work)


def test_old_runs_go_with_all_that_is_kept_of_them(settings: ServiceSettings) -> None:
    """Row, output, thumbnail, record of execution, the engine's copy: then the run is as unknown as any other."""

    async def work() -> None:
        async with opened(settings) as service:
            run = await service.run({"prompt": picture_prompt()})
            output = run["output"][0]
            assert [200, 200] == [await service.status(output[each]) for each in ("url", "thumbnail_url")]
            unknown = await service.get("nonesuch")
            await service.prune()
            assert unknown == await service.get(run["id"])
            assert [404, 404] == [await service.status(output[each]) for each in ("url", "thumbnail_url")]
            assert [] == (await service.http.get("/workflows/w/runs")).json()
            assert 0 == await service.rows("leftovers")
            assert 0 == len(await service.parts.ledger.runs())
            left = [path for path in settings.data.rglob("*") if path.suffix in (".png", ".webp") and path.is_file()]
            assert ([], []) == (stored(service.parts), left)

    done(work())


@pytest.mark.parametrize("table", ["runs", "uploads"])
def test_bytes_stay_as_long_as_somebody_has_them(settings: ServiceSettings, table: str) -> None:
    """An upload of what a run gave has the same stored file: it goes with the last of the two."""

    async def work() -> None:
        async with opened(settings) as service:
            run = await service.run({"prompt": picture_prompt()})
            output: str = run["output"][0]["url"]
            upload = await service.upload((await service.http.get(output)).content)
            assert 1 == len(stored(service.parts))
            times = {"runs": {"created_ms": 1, "ended_ms": 1}, "uploads": {"used_ms": 1}}
            await service.change(table, {"runs": run["id"], "uploads": upload.split("/")[-4]}[table], **times[table])
            await service.prune(2)
            assert {"runs": [404, 200], "uploads": [200, 404]}[table] == [
                await service.status(url) for url in (output, upload)
            ]
            await service.prune()
            assert 0 == len(stored(service.parts))

    done(work())


def test_what_was_stored_a_moment_ago_is_left_for_the_next_time(settings: ServiceSettings) -> None:
    """A young file may be about to be somebody's: it stays, and a later process removes it."""

    async def work() -> None:
        async with opened(settings) as service:
            await service.run({"prompt": picture_prompt()})
            await service.prune(aged=False)
            assert (1, 1, 0) == (
                len(stored(service.parts)),
                await service.rows("leftovers"),
                await service.rows("runs"),
            )
        async with opened(settings) as service:
            await service.prune()
            assert (0, 0) == (len(stored(service.parts)), await service.rows("leftovers"))

    done(work())


def test_a_file_that_is_stored_again_is_young_again(settings: ServiceSettings) -> None:
    """An upload of bytes that are about to be removed keeps them."""

    async def work() -> None:
        async with opened(settings) as service:
            await service.upload(png())
            await service.prune(aged=False)
            url = await service.upload(png())
            await prune(service.parts, before_ms=0)
            assert (200, 0) == (await service.status(url), await service.rows("leftovers"))

    done(work())


def test_uploads_go_when_no_request_named_them_for_so_long(settings: ServiceSettings) -> None:
    """A run's `files`, and uploading again, count as use."""

    async def work() -> None:
        async with opened(settings) as service:
            urls = [await service.upload(png(size=(8, 8 + number))) for number in range(3)]
            for url in urls:
                await service.change("uploads", url.split("/")[-4], created_ms=1, used_ms=1)
            await service.run({"prompt": copy_prompt("in.png"), "files": {"/input/in.png": urls[0]}})
            assert urls[1] == await service.upload(png(size=(8, 9)))
            await service.prune(2)
            assert [200, 200, 404] == [await service.status(url) for url in urls]

    done(work())


def test_runs_whose_outputs_are_named_stay(settings: ServiceSettings) -> None:
    """An output that a later run was given keeps the run that made it, as long again."""

    async def work() -> None:
        async with opened(settings) as service:
            first, other = [await service.run({"prompt": picture_prompt(colour)}) for colour in (1, 2)]
            for each in (first, other):
                await service.change("runs", each["id"], created_ms=1, ended_ms=1)
            files = {"/input/in.png": first["output"][0]["url"]}
            await service.run({"prompt": copy_prompt("in.png"), "files": files})
            await service.prune(2)
            assert [200, 404] == [await service.status(each["output"][0]["url"]) for each in (first, other)]

    done(work())


@pytest.mark.parametrize("status", ["QUEUED", "STARTED"])
def test_open_runs_stay_with_what_they_need(settings: ServiceSettings, status: str) -> None:
    """However long a run waits, it is not forgotten, nor are the uploads and outputs that it was asked for with."""

    async def work() -> None:
        async with opened(settings) as service:
            made = await service.run({"prompt": picture_prompt()})
            urls = [await service.upload(png()), made["output"][0]["url"]]
            request = {"prompt": picture_prompt(), "files": {"/input/a.png": urls[0]}, "inputs": {"b": [urls[1]]}}
            row = RunRow("waits", "local", "w", "l" * 16, request, "", created_ms=1, updated_ms=1, status=status)
            await service.parts.worker.write(lambda connection: add_run(connection, row))
            await service.prune()
            assert [200, 200] == [await service.status(url) for url in urls]
            assert status == (await service.get("waits"))["status"]

    done(work())


def test_a_run_stays_until_its_receiver_was_told(settings: ServiceSettings) -> None:
    """An event that is still to be delivered keeps its run; after that both go."""

    async def work() -> None:
        async with opened(settings) as service:
            run = await service.run({"prompt": picture_prompt()})
            tell = partial(outbox.enqueue, tenant="local", url="https://example.com/", body=b"{}", now_ms=FAR_MS)
            event = await service.parts.worker.write(partial(tell, run_id=run["id"], event="run.completed"))
            await service.parts.worker.write(partial(tell, run_id="another", event="run.completed"))
            await service.prune()
            assert "COMPLETED" == (await service.get(run["id"]))["status"]
            await service.change("webhook_outbox", event, state=outbox.DELIVERED, next_ms=None, ended_ms=FAR_MS)
            await service.prune()
            assert "not-found" == (await service.get(run["id"]))["error"]
            assert 404 == await service.status(f"/webhooks/events/{event}")
            assert 1 == await service.rows("webhook_outbox")

    done(work())


def test_a_service_prunes_as_it_was_asked_to(settings: ServiceSettings) -> None:
    """With `keep_s`, what is older is gone soon after the start; without it all stays."""

    async def age() -> str:
        async with opened(settings) as service:
            run = await service.run({"prompt": picture_prompt()})
            await service.change("runs", run["id"], created_ms=1, ended_ms=1)
            return str(run["id"])

    run_id = asyncio.run(age())
    with served(settings) as client:
        assert "COMPLETED" == client.get(run_id)["status"]
    with served(replace(settings, keep_s=24 * 3600.0)) as client:
        deadline = time.monotonic() + 30
        while "status" in client.get(run_id):
            assert time.monotonic() < deadline
