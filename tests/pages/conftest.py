"""A real Chromium, Debian's, for the pages that comfypipe writes and serves."""

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")  # while it is open, a loop runs in this thread, which other tests must not meet
def browser() -> "Iterator[Browser]":
    """Return the browser; skips where there is none (`scripts/setup_browser` installs it)."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs Debian's chromium: scripts/setup_browser installs it")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def tab(browser: "Browser") -> "Iterator[Page]":
    """Return an empty page; whatever it says on its console, and every error in it, fails the test."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    page.close()
    assert [] == said
