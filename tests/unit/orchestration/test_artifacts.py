"""Prefect artifacts: what they say of a run."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from comfypipe.execution.records import Output, Run, StepRecord
from comfypipe.orchestration.artifacts import (
    URL_VARIABLE,
    artifact_key,
    artifact_url,
    attempt,
    markdown_of,
    table_of_rows,
    table_of_steps,
    title,
)

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SHEET = Output(Path("/store/ab"), "a sheet.png", "ab" * 32, 12345, "image/png")
RUN = Run(
    id="0a1b2c",
    name="product_card",
    kind="Pipeline",
    status="completed",
    backend="embedded:",
    plan_digest="d",
    inputs={},
    outputs={"sheet": SHEET, "count": 3},
    steps=(StepRecord("cutout", "completed", 1, 1), StepRecord("cards", "completed", 3, 1)),
    started_at=BEGAN,
    ended_at=BEGAN + timedelta(seconds=2.26),
)


def test_a_run_in_one_line() -> None:
    """The title has what one asks first: which run, how it ended, how long it took."""
    assert "run `0a1b2c`: completed, 2.3 s" == title(RUN)
    assert "run `0a1b2c`: completed, 2.3 s, from the cache, simulated" == title(
        replace(RUN, cached=True, simulated=True)
    )


def test_rows_of_the_tables() -> None:
    """The table of steps has a row a step, the table of rows a row for each result."""
    assert [
        {"step": "cutout", "status": "completed", "jobs": 1, "cached": 1, "error": None},
        {"step": "cards", "status": "completed", "jobs": 3, "cached": 1, "error": None},
    ] == table_of_steps(RUN)
    assert [
        {
            "row": 7,
            "run": "0a1b2c",
            "status": "failed",
            "params": "colour red, size 3",
            "seconds": 2.3,
            "error": "no",
        }
    ] == table_of_rows(
        [
            {
                "row": 7,
                "run_id": "0a1b2c",
                "status": "failed",
                "params": {"colour": "red", "size": 3},
                "seconds": 2.345,
                "error": {"message": "no"},
            }
        ]
    )


def test_markdown_has_paths_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing says how a browser reaches files, the page has their paths."""
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    assert (
        "# `product_card`\n\nrun `0a1b2c`: completed, 2.3 s\n\n"
        "- `sheet`: `/store/ab` (image/png, 12,345 bytes, `abababababab`)\n- `count`: `3`"
    ) == markdown_of(RUN)


def test_markdown_has_links_with_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the address of stored files is known, the page links to them."""
    monkeypatch.setenv(URL_VARIABLE, "https://files.example/{sha256}/{filename}")
    assert f"- `sheet`: [`a sheet.png`](https://files.example/{'ab' * 32}/a%20sheet.png) (" in markdown_of(RUN)


def test_markdown_shows_text_as_it_is() -> None:
    """What a run says cannot become markup of the page."""
    hostile = replace(RUN, outputs={"`x` <b>": "`\n# no"}, error={"message": "**`boom`**\n<script>"})
    assert ["- `'x' <b>`: `' # no`", "**`**'boom'** <script>`**"] == markdown_of(hostile).splitlines()[-2:]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (None, None),
        ("https://x/a/", "https://x/a/" + "ab" * 32),
        ("https://x/{sha256}", "https://x/" + "ab" * 32),
        ("https://x/{filename}?d={sha256}", "https://x/a%20sheet.png?d=" + "ab" * 32),
    ],
)
def test_addresses(monkeypatch: pytest.MonkeyPatch, template: str | None, expected: str | None) -> None:
    """The address of a file follows from the template; without one there is none."""
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    assert expected == artifact_url(SHEET, template)


@pytest.mark.parametrize(
    ("parts", "expected"), [(("Product_Card", "runs"), "product-card-runs"), (("a", "", "__", "b"), "a-b")]
)
def test_keys(parts: tuple[str, ...], expected: str) -> None:
    """Keys are what Prefect takes: lower case letters, digits and dashes."""
    assert expected == artifact_key(*parts)


def test_a_server_that_does_not_answer_costs_the_artifact_only(caplog: pytest.LogCaptureFixture) -> None:
    """When Prefect's server cannot store an artifact the run goes on, and the log says what happened."""

    async def refused() -> Any:
        raise httpx.ConnectError("no route")

    assert None is asyncio.run(attempt(refused()))
