"""Files that stay with the backend whose run made them: passed on by URL, and fetched when somebody asks for them."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from comfypipe.backends.base import Backend, OutputFile, RunHandle
from comfypipe.errors import ServerStateLost
from comfypipe.execution.context import Execution
from comfypipe.execution.media import media_of, media_type, named_type
from comfypipe.execution.submit import Attempt
from comfypipe.execution.together import settle
from comfypipe.manifest.values import FileValue, RemoteFile, Value
from comfypipe.plan.steps import Job
from comfypipe.store.artifacts import Artifact, ArtifactStore
from comfypipe.store.files import disk_faults
from comfypipe.store.records import OutputRecord, RunRecord

_AT_ONCE = 8
"""So many files are fetched at the same time."""


def stays_remote(backend: Backend, file: OutputFile) -> bool:
    """Whether a file that a run made can be passed on by its URL, and need not come here yet."""
    return backend.takes_urls and file.url is not None


def remote_record(attempt: Attempt, name: str, position: int, file: OutputFile) -> OutputRecord:
    """Return what the ledger keeps of a file that was not fetched: its URL, and how to ask for it again."""
    place = RemoteFile(
        backend=attempt.backend,
        prompt_id=attempt.prompt_id,
        server=attempt.handle.server,
        remote_id=attempt.handle.remote_id,
        node_id=file.node_id,
        key=file.key,
        subfolder=file.subfolder,
        kind=file.kind,
    )
    return OutputRecord(
        attempt.job_id,
        name,
        file.node_id,
        position,
        filename=storable(file.filename),
        media_type=named_type(file.filename),
        value=msgspec.to_builtins(place),
        url=file.url,
    )


async def still_there(execution: Execution, records: Sequence[OutputRecord]) -> tuple[OutputRecord, ...] | None:
    """
    Return stored outputs with URLs that hold now; None when one was never fetched and its run is gone.

    Of what was fetched, a URL that holds no longer is left out: the stored bytes take its place.

    Raises:
        BackendError: The backend cannot be asked.
    """
    places = [_place(record) for record in records if record.url is not None]
    shown: dict[tuple[str, ...], str] = {}
    for place in {each.run: each for each in places}.values():
        shown |= await _shown_now(execution, place)
    found: list[OutputRecord] = []
    for record in records:
        if record.url is None:
            found.append(record)
            continue
        url = shown.get(_key(_place(record), storable(record.filename or "")))
        if url is None and record.sha256 is None:
            return None
        found.append(replace(record, url=url))
    return tuple(found)


async def with_files_for(execution: Execution, job: Job) -> Job:
    """
    Return a job whose files its backend can have: those that another backend keeps are fetched here.

    Raises:
        OutputGone: One of them is gone.
        BackendError: One of them cannot be fetched.
    """
    backend = execution.backend_of(job)
    files = []
    for placed in job.files:
        file, remote = placed.file, placed.file.remote
        if remote is not None and not (backend.takes_urls and remote.backend == backend.url and file.url):
            file = msgspec.structs.replace(await fetched(execution, file), url=None)
        files.append(placed if file is placed.file else msgspec.structs.replace(placed, file=file))
    return msgspec.structs.replace(job, files=tuple(files))


async def brought(execution: Execution, values: Mapping[str, Value], run: RunRecord | None = None) -> dict[str, Value]:
    """
    Return *values* with every file on this machine.

    Args:
        run: Whose record of its outputs is to say where they lie from now on.

    Raises:
        OutputGone: A file is gone.
        BackendError: A file cannot be fetched.
    """
    remote = {each.identity: each for each in _files(list(values.values())) if each.remote and each.path is None}
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(file: FileValue) -> FileValue:
        async with room:
            return await fetched(execution, file)

    got = await settle([one(each) for each in remote.values()])
    here: dict[str, FileValue] = {}
    for identity, each in zip(remote, got, strict=True):
        if not isinstance(each, FileValue):
            raise each
        here[identity] = each
    if here and run is not None:
        found = await asyncio.to_thread(lambda: {str(each.url): _description(each) for each in here.values()})
        await execution.ledger.keep_fetched(run.id, found)
    return {name: _with(value, here) for name, value in values.items()}


async def fetched(execution: Execution, file: FileValue) -> FileValue:
    """
    Return a file with its bytes in the store, fetched from the backend that keeps it unless they are there.

    Raises:
        OutputGone: It is gone.
        BackendError: It cannot be fetched.
    """
    if file.path is not None or file.remote is None:
        return file
    remote = file.remote
    output = OutputFile(
        node_id=remote.node_id,
        key=remote.key,
        filename=file.filename,
        subfolder=remote.subfolder,
        kind=remote.kind,
        url=file.url,
        server=remote.server,
    )
    artifact, kind = await fetch_file(execution.backends.get(remote.backend), output, execution.artifacts)
    path = await asyncio.to_thread(execution.artifacts.path, artifact.sha256)
    media = file.media if file.media == "mask" else media_of(kind)
    return msgspec.structs.replace(file, path=path, sha256=artifact.sha256, media=media)


async def fetch_file(backend: Backend, file: OutputFile, artifacts: ArtifactStore) -> tuple[Artifact, str]:
    """Bring a file that a run made into the store, and return it with its media type."""
    with artifacts.incoming() as path:
        with disk_faults(path):
            await backend.fetch(file, path)
        return await asyncio.to_thread(_keep, artifacts, path, file.filename)


def storable(text: str) -> str:
    """Return *text* as every database takes it: a server may send half of a surrogate pair, or a zero."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def _keep(artifacts: ArtifactStore, path: Path, filename: str) -> tuple[Artifact, str]:
    kind = media_type(path, filename)
    return artifacts.adopt(path), kind


async def _shown_now(execution: Execution, place: RemoteFile) -> dict[tuple[str, ...], str]:
    """Return the URLs of the files of a run as its backend gives them now; none when it does not know it any more."""
    handle = RunHandle(place.prompt_id, place.server, place.remote_id)
    try:
        result = await execution.backends.get(place.backend).wait(handle)
    except ServerStateLost:
        return {}
    return {
        (place.run, each.node_id, each.subfolder, storable(each.filename)): each.url
        for each in result.files
        if each.url is not None
    }


def _place(record: OutputRecord) -> RemoteFile:
    return RemoteFile(**record.value)


def _key(place: RemoteFile, filename: str) -> tuple[str, ...]:
    return place.run, place.node_id, place.subfolder, filename


def _files(values: Sequence[Value]) -> Iterator[FileValue]:
    for value in values:
        if isinstance(value, FileValue):
            yield value
        elif isinstance(value, list):
            yield from _files(value)


def _with(value: Value, here: Mapping[str, FileValue]) -> Value:
    if isinstance(value, FileValue):
        return here.get(value.identity, value) if value.path is None else value
    return [_with(each, here) for each in value] if isinstance(value, list) else value


def _description(file: FileValue) -> dict[str, str | int | None]:
    """Return what is known of a file now that it is here."""
    assert file.path is not None  # noqa: S101  it was fetched
    kind = media_type(file.path, file.filename)
    return {"sha256": file.sha256, "size_bytes": file.path.stat().st_size, "media_type": kind}
