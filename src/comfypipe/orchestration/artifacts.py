"""Prefect artifacts: what a run gave, on the pages of Prefect's web interface."""

import os
import re
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from prefect.artifacts import acreate_image_artifact, acreate_markdown_artifact, acreate_table_artifact
from prefect.logging import get_logger

from comfypipe._types import JSONObject
from comfypipe.execution.records import Output, OutputValue, Run, files_in

T = TypeVar("T")

URL_VARIABLE = "COMFYPIPE_ARTIFACT_URL"
"""Environment variable: where a browser finds stored files, with ``{sha256}`` and ``{filename}`` in it."""

IMAGES_SHOWN = 24
"""Image artifacts of one run; more of them tell nobody more."""


async def publish_run(run: Run) -> None:
    """
    Publish how *run* went: its outputs as markdown, its pictures, and a table of its steps where it has several.

    Pictures only where `URL_VARIABLE` says how a browser reaches them: Prefect shows an address, not a file.
    """
    if len(run.steps) > 1:
        key, table = artifact_key(run.name, "steps"), table_of_steps(run)
        await attempt(acreate_table_artifact(table, key=key, description=title(run)))
    await attempt(acreate_markdown_artifact(markdown_of(run), key=artifact_key(run.name, "outputs")))
    for name, file, url in list(_pictures(run))[:IMAGES_SHOWN]:
        key = artifact_key(run.name, name)
        await attempt(acreate_image_artifact(url, key=key, description=f"{_code(file.filename)} of {title(run)}"))


async def publish_rows(results: Sequence[JSONObject], *, key: str, description: str) -> None:
    """Publish a table of rows of a batch, from their results."""
    await attempt(acreate_table_artifact(table_of_rows(results), key=artifact_key(key), description=description))


async def publish_summary(about: JSONObject, *, key: str) -> None:
    """Publish how a batch went, as a table of two columns."""
    table = [{"what": name, "how": value} for name, value in about.items() if value is not None and value != {}]
    await attempt(acreate_table_artifact(table, key=artifact_key(key), description=f"batch {_code(about['id'])}"))


async def attempt(call: Awaitable[T]) -> T | None:
    """
    Return what *call* to Prefect's server gives, or None when the server does not answer well, which is logged.

    Artifacts only show what happened: a run that was paid for must not fail because its page could not be drawn.
    """
    try:
        return await call
    except httpx.HTTPError as error:
        get_logger("comfypipe").warning("a Prefect artifact could not be stored: %s", error)
        return None


def table_of_rows(results: Iterable[JSONObject]) -> list[JSONObject]:
    """Return one row for each result of a batch: what it said, and what became of it."""
    return [
        {
            "row": each["row"],
            "run": each["run_id"],
            "status": each["status"],
            "params": ", ".join(f"{name} {str(value)[:60]}" for name, value in each["params"].items()),
            "seconds": round(each["seconds"], 1) if each["seconds"] is not None else None,
            "error": _message(each["error"]),
        }
        for each in results
    ]


def table_of_steps(run: Run) -> list[JSONObject]:
    """Return one row a step."""
    return [
        {
            "step": step.id,
            "status": step.status,
            "jobs": step.jobs,
            "cached": step.cached,
            "error": _message(step.error),
        }
        for step in run.steps
    ]


def markdown_of(run: Run) -> str:
    """Return the outputs of a run as a list: with links where a browser can follow them, with paths where not."""
    lines = [f"# {_code(run.name)}", "", title(run), ""]
    for name, value in run.outputs.items():
        lines += [f"- {_code(name)}: {_shown(value)}"] if not files_in(value) else _listed(name, files_in(value))
    if run.error:
        lines += [f"**{_code(_message(run.error) or 'failed')}**"]
    return "\n".join(lines)


def title(run: Run) -> str:
    """Return a run in one line: its id, how it ended, how long it took, and whether anything was executed."""
    notes = [run.status, f"{_seconds(run)} s"]
    notes += ["from the cache"] if run.cached else []
    notes += ["simulated"] if run.simulated else []
    return f"run {_code(run.id)}: {', '.join(notes)}"


def artifact_key(*parts: str) -> str:
    """Return a key as Prefect takes it: lower case letters, digits and dashes."""
    return "-".join(filter(None, (re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-") for part in parts)))


def artifact_url(file: Output, template: str | None = None) -> str | None:
    """
    Return where a browser finds a stored file; None when nothing says so.

    Args:
        template: As `URL_VARIABLE` has it; without ``{sha256}`` or ``{filename}`` the digest is put behind it.
    """
    place = template or os.environ.get(URL_VARIABLE)
    if not place:
        return None
    if "{sha256}" not in place and "{filename}" not in place:
        place = f"{place.rstrip('/')}/{{sha256}}"
    return place.replace("{sha256}", file.sha256).replace("{filename}", quote(file.filename))


def link_to(file: Output) -> str:
    """Return a stored file as markdown: a link where a browser can follow it, its path where not."""
    url = artifact_url(file)
    return f"[{_code(file.filename)}]({url})" if url else _code(str(file.path))


def _listed(name: str, files: Sequence[Output]) -> Iterator[str]:
    for file in files:
        about = f"{file.media_type}, {file.size_bytes:,} bytes, {_code(file.sha256[:12])}"
        yield f"- {_code(name)}: {link_to(file)} ({about})"


def _files(run: Run) -> Iterator[tuple[str, Output]]:
    return ((name, file) for name, value in run.outputs.items() for file in files_in(value))


def _pictures(run: Run) -> Iterator[tuple[str, Output, str]]:
    for name, file in _files(run):
        url = artifact_url(file)
        if url and file.media_type.startswith("image/"):
            yield name, file, url


def _shown(value: OutputValue) -> str:
    return _code(str(value)[:500])


def _message(error: JSONObject | None) -> str | None:
    return str(error.get("message", ""))[:500] if error else None


def _seconds(run: Run) -> float | None:
    return round(run.duration_s, 1) if run.duration_s is not None else None


def _code(text: Any) -> str:
    """Return *text* so that markdown shows it as it is."""
    return f"`{' '.join(str(text).split()).replace('`', chr(39))}`"
