"""What every backend has to keep, as tests."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

import pytest
from PIL import Image

from comfypipe._types import JSONObject
from comfypipe.backends.base import (
    Backend,
    InputFile,
    NodeProgress,
    OutputFile,
    RunHandle,
    RunStatus,
)
from comfypipe.errors import BackendError, PromptInvalid, RunFailed, ServerStateLost
from comfypipe.testing.prompts import node, picture_prompt, slow_prompt, unique_prefix
from comfypipe.testing.runs import fetched, run, submission

_MAGIC = {
    "picture": b"\x89PNG",
    "preview": b"\x89PNG",
    "animation": b"RIFF",
    "video": b"\x00\x00\x00",
    "sound": b"fLaC",
}


class BackendContract:
    """
    What every `Backend` does. Subclass it, and give it a fixture ``backend``; it is closed after each test.

    Attributes:
        keeps_previews: Whether files that are not saved (``temp``) come back too; runs APIs keep none.
    """

    pytestmark = pytest.mark.anyio
    keeps_previews: ClassVar[bool] = True

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Return the event loop that the tests run in."""
        return "asyncio"

    @pytest.fixture
    def backend(self) -> Backend:
        """Return what is tested; subclasses have their own."""
        raise NotImplementedError("a subclass of BackendContract needs a fixture called backend")

    @pytest.fixture(autouse=True)
    async def _close(self, backend: Backend) -> AsyncIterator[None]:
        yield
        await backend.close()

    async def test_saved_file_has_the_right_pixels(self, backend: Backend, tmp_path: Path) -> None:
        """Submit, wait, fetch: the picture is the one that was asked for."""
        result = await run(backend, picture_prompt(0xFF8000))
        assert RunStatus.COMPLETED == result.status
        assert [("2", "images", "output")] == [(each.node_id, each.key, each.kind) for each in result.files]
        picture = Image.open(io.BytesIO(await fetched(backend, result.files[0], tmp_path)))
        assert ((16, 8), [(16 * 8, (255, 128, 0))]) == (picture.size, picture.getcolors())

    async def test_every_kind_of_output(self, backend: Backend, tmp_path: Path) -> None:
        """Pictures, previews, animations, videos, sounds, latents and texts all come back."""
        result = await run(backend, _prompt_of_every_kind())
        assert (RunStatus.COMPLETED, None) == (result.status, result.error)
        keys = {each.node_id: (each.key, each.kind) for each in result.files}
        preview = {"preview": ("images", "temp")} if self.keeps_previews else {}
        assert (
            preview
            | {
                "picture": ("images", "output"),
                "animation": ("images", "output"),
                "video": ("images", "output"),
                "sound": ("audio", "output"),
                "latent": ("latents", "output"),
            }
            == keys
        )
        for each in result.files:
            assert (await fetched(backend, each, tmp_path)).startswith(_MAGIC.get(each.node_id, b""))
        assert ["seven"] == result.values["text"]["text"]

    async def test_input_files_are_in_place(self, backend: Backend, tmp_path: Path) -> None:
        """A file given with the submission is found by the loading node, in a subfolder too."""
        names = ("comfypipe-contract.png", f"comfypipe/{uuid4().hex[:16]}/deep photo.png")
        prompt = {}
        files = []
        for index, name in enumerate(names):
            path = tmp_path / f"{index}.png"
            Image.new("RGB", (3, 2), (10 + index, 20, 30)).save(path)
            files.append(InputFile(f"input/{name}", hashlib.sha256(path.read_bytes()).hexdigest(), path))
            prompt[f"load{index}"] = node("LoadImage", image=name)
            prompt[f"save{index}"] = node("SaveImage", images=[f"load{index}", 0], filename_prefix=unique_prefix())
        result = await run(backend, prompt, *files)
        assert (RunStatus.COMPLETED, None) == (result.status, result.error)
        colours = {}
        for each in result.files:
            colours[each.node_id] = Image.open(io.BytesIO(await fetched(backend, each, tmp_path))).getpixel((0, 0))
        assert {"save0": (10, 20, 30), "save1": (11, 20, 30)} == colours

    async def test_same_prompt_again_has_its_outputs(self, backend: Backend, tmp_path: Path) -> None:
        """A run that a cache answers has outputs like any other."""
        prompt = picture_prompt(uuid4().int % 0xFFFFFF)
        pictures = []
        for _ in range(2):
            result = await run(backend, prompt)
            pictures.append([await fetched(backend, each, tmp_path) for each in result.files])
        assert [1, 1] == [len(each) for each in pictures]

    async def test_failed_run_is_a_result(self, backend: Backend) -> None:
        """An error of a node names the node, its class and the exception."""
        prompt = {
            "1": node("EmptyAudio", duration=0.1, sample_rate=8000, channels=1),
            "split": node("SplitAudioChannels", audio=["1", 0]),
            "3": node("SaveAudio", audio=["split", 0], filename_prefix=unique_prefix()),
        }
        result = await run(backend, prompt)
        assert RunStatus.FAILED == result.status
        assert isinstance(result.error, RunFailed)
        assert ("split", "SplitAudioChannels", "ValueError") == (
            result.error.node_id,
            result.error.class_type,
            result.error.exception_type,
        )

    async def test_invalid_prompt_is_refused(self, backend: Backend) -> None:
        """A value out of range is named by node, and nothing runs."""
        with pytest.raises(PromptInvalid) as caught:
            await backend.submit(submission(picture_prompt(1, width=0)))
        assert "prompt_outputs_failed_validation" == caught.value.error["type"]
        assert ["value_smaller_than_min"] == [each["type"] for each in caught.value.node_errors["1"]["errors"]]

    async def test_partly_invalid_prompt_is_refused(self, backend: Backend) -> None:
        """One bad output is enough: nothing is dropped in silence."""
        prompt = picture_prompt(1) | {"bad": node("SaveImage", images=["1", 7], filename_prefix=unique_prefix())}
        with pytest.raises(PromptInvalid):
            await backend.submit(submission(prompt))

    async def test_unknown_class_is_refused(self, backend: Backend) -> None:
        """A node class that the backend lacks is named."""
        prompt = picture_prompt(1) | {"3": node("NoSuchNodeClass", image=["1", 0])}
        with pytest.raises(PromptInvalid, match="NoSuchNodeClass"):
            await backend.submit(submission(prompt))

    async def test_object_info_tells_what_runs(self, backend: Backend) -> None:
        """Where a backend tells its classes, those of the contract are among them."""
        info = await backend.object_info()
        assert info is None or {"EmptyImage", "SaveImage", "ImageBlur"} <= set(info)

    async def test_unknown_run_is_not_found(self, backend: Backend) -> None:
        """A prompt id that nobody submitted has no handle."""
        assert await backend.find(str(uuid4())) is None

    async def test_unknown_run_cannot_be_waited_for(self, backend: Backend) -> None:
        """Waiting for a run that the backend does not know says so, instead of waiting for ever."""
        with pytest.raises(ServerStateLost):
            await backend.wait(RunHandle(str(uuid4())))

    async def test_submitted_run_is_found(self, backend: Backend) -> None:
        """The handle that is found by id leads to the same result, during the run and after it."""
        wanted = submission(picture_prompt(2))
        handle = await backend.submit(wanted)
        found = await backend.find(wanted.prompt_id)
        assert found is not None
        result = await backend.wait(handle)
        assert result.files == (await backend.wait(found)).files
        assert wanted.prompt_id == found.prompt_id
        assert await backend.find(wanted.prompt_id) is not None

    async def test_concurrent_runs_keep_apart(self, backend: Backend, tmp_path: Path) -> None:
        """Runs that are waited for at the same time each get their own pictures."""
        colours = (0x110000, 0x220000, 0x330000)
        results = await asyncio.gather(*(run(backend, picture_prompt(each)) for each in colours))
        pixels = []
        for result in results:
            data = await fetched(backend, result.files[0], tmp_path)
            pixels.append(Image.open(io.BytesIO(data)).getpixel((0, 0)))
        assert [(0x11, 0, 0), (0x22, 0, 0), (0x33, 0, 0)] == pixels

    async def test_progress_comes_in_order(self, backend: Backend) -> None:
        """The run starts before its nodes; each node runs before it is finished, and after what it reads."""
        prompt = picture_prompt(uuid4().int % 0xFFFFFF)
        told: list[NodeProgress] = []
        wanted = submission(prompt)
        handle = await backend.submit(wanted)
        await backend.wait(handle, told.append)
        assert {wanted.prompt_id} == {each.prompt_id for each in told}
        states = [each.state for each in told]
        assert sorted(states, key=["queued", "started"].__contains__, reverse=True) == states
        nodes = [(each.state, each.node_id) for each in told if each.state in ("running", "finished")]
        assert [("running", "1"), ("finished", "1"), ("running", "2"), ("finished", "2")] == nodes

    async def test_running_run_is_cancelled(self, backend: Backend) -> None:
        """Cancel returns when the run has stopped, and its result says so."""
        started = asyncio.Event()
        handle = await backend.submit(submission(slow_prompt()))
        waiting = asyncio.ensure_future(
            backend.wait(handle, lambda each: started.set() if each.state == "running" else None)
        )
        await started.wait()
        await backend.cancel(handle)
        assert RunStatus.CANCELLED == (await waiting).status

    async def test_queued_run_is_cancelled(self, backend: Backend) -> None:
        """A run that waits behind another is cancelled without having run; the other goes on until it is cancelled."""
        first = await backend.submit(submission(slow_prompt()))
        second = await backend.submit(submission(picture_prompt(3)))
        await backend.cancel(second)
        result = await backend.wait(second)
        assert (RunStatus.CANCELLED, ()) == (result.status, result.files)
        await backend.cancel(first)
        assert RunStatus.CANCELLED == (await backend.wait(first)).status

    async def test_ended_run_cannot_be_cancelled(self, backend: Backend) -> None:
        """Cancelling afterwards changes nothing."""
        handle = await backend.submit(submission(picture_prompt(4)))
        result = await backend.wait(handle)
        await backend.cancel(handle)
        assert result.status == (await backend.wait(handle)).status == RunStatus.COMPLETED

    async def test_long_chain_runs(self, backend: Backend) -> None:
        """Three hundred nodes in a row are no trouble."""
        chain: Mapping[str, JSONObject] = {
            str(index): node("ImageInvert", image=[str(index - 1), 0]) for index in range(2, 301)
        }
        start = node("EmptyImage", width=4, height=4, batch_size=1, color=uuid4().int % 0xFFFFFF)
        end = node("SaveImage", images=["300", 0], filename_prefix=unique_prefix())
        result = await run(backend, {"1": start, **chain, "end": end})
        assert (RunStatus.COMPLETED, 1) == (result.status, len(result.files))

    @pytest.mark.parametrize("filename", ["no-such-file.png", "../../escape.png", "/etc/hostname"])
    async def test_missing_or_hostile_file_is_not_fetched(
        self, backend: Backend, tmp_path: Path, filename: str
    ) -> None:
        """A file that is not there, or not one of the backend's, is an error that leaves nothing behind."""
        destination = tmp_path / "fetched" / "file.png"
        with pytest.raises(BackendError):
            await backend.fetch(OutputFile("1", "images", filename), destination)
        assert [] == [each for each in (tmp_path / "fetched").glob("**/*") if each.is_file()]


def _prompt_of_every_kind() -> JSONObject:
    prefix = unique_prefix()
    return {
        "image": node("EmptyImage", width=32, height=16, batch_size=2, color=uuid4().int % 0xFFFFFF),
        "picture": node("SaveImage", images=["one", 0], filename_prefix=prefix),
        "one": node("ImageFromBatch", image=["image", 0], batch_index=0, length=1),
        "preview": node("PreviewImage", images=["one", 0]),
        "animation": node(
            "SaveAnimatedWEBP",
            images=["image", 0],
            filename_prefix=prefix,
            fps=6.0,
            lossless=True,
            quality=80,
            method="default",
        ),
        "frames": node("CreateVideo", images=["image", 0], fps=8.0),
        "video": node("SaveVideo", video=["frames", 0], filename_prefix=prefix, format="auto", codec="auto"),
        "silence": node("EmptyAudio", duration=0.1, sample_rate=8000, channels=2),
        "sound": node("SaveAudio", audio=["silence", 0], filename_prefix=prefix),
        "noise": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "latent": node("SaveLatent", samples=["noise", 0], filename_prefix=prefix),
        "text": node("PreviewAny", source="seven"),
    }
