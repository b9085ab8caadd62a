"""The service's page in a real browser, against the real service."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.timeout(180)

COMMAND = (sys.executable, "-m", "comfypipe")


@contextmanager
def serving(root: Path, data: Path, *options: str) -> Iterator[str]:
    """Run the service on a free port, and give the address of its page."""
    command = [*COMMAND, "serve", "--port", "0", "--json", "--project", str(root), "--data", str(data), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        url: str = json.loads(process.stdout.readline())["url"]
        yield url.removesuffix("/api/v1").rstrip("/") + "/"
    finally:
        process.terminate()
        process.wait(timeout=30)
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture(scope="module")
def url(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the page of a service without keys, with the example project's workflows."""
    with serving(root, tmp_path_factory.mktemp("service"), "--no-auth") as page:
        yield page


def chosen(tab: Page, url: str, workflow: str) -> None:
    """Open the page at a workflow."""
    tab.goto(url)
    tab.click(f"nav button:has-text('{workflow}')")
    expect(tab.locator("main h1")).to_have_text(workflow)


def test_a_published_workflow_is_run_from_its_form(tab: Page, url: str, root: Path) -> None:
    """A file is uploaded, the run followed to its end, and its picture shown, in full and as a card."""
    chosen(tab, url, "cutout")
    tab.click("text=New run")
    tab.set_input_files("form input[type=file]", root / "assets/vase.png")
    tab.fill("form label:has-text('size') input", "64")
    tab.click("form button:has-text('Run')")
    expect(tab.locator("#one-run .outputs img")).to_have_js_property("naturalWidth", 64, timeout=60_000)
    assert "completed" in tab.inner_text("#one-run")
    tab.keyboard.press("Escape")
    expect(tab.locator("main .card img")).to_have_js_property("complete", True)
    assert "completed" in tab.inner_text("main .card .caption")


def test_inputs_that_do_not_fit_are_named(browser: Browser, url: str) -> None:
    """What the manifest refuses is told beside the form, once, and nothing runs."""
    tab = browser.new_page()  # the browser itself notes the 422 on the console
    chosen(tab, url, "recolour")
    tab.click("text=New run")
    tab.fill("form label:has-text('colour') input", "red")
    tab.click("form button:has-text('Run')")
    expect(tab.locator("form .wrong")).to_have_text('input colour takes text that matches ^#[0-9a-fA-F]{6}$, not "red"')
    tab.click("form button:has-text('Close')")
    expect(tab.locator("main .empty")).to_have_text("No runs yet.")
    tab.close()


def test_the_page_loads_nothing_from_elsewhere(tab: Page, url: str) -> None:
    """Every request goes to the service, and its policy allows nothing else."""
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    reply = tab.goto(url)
    assert reply is not None
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    expect(tab.locator("nav button").first).to_be_visible()
    assert [] == [each for each in asked if not each.startswith((url, "data:"))]


def test_a_key_is_asked_for_and_kept_in_the_tab(browser: Browser, root: Path, tmp_path: Path) -> None:
    """Without a key nothing is shown; with one the workflows are, also after a reload."""
    make = [*COMMAND, "keys", "create", "--tenant", "studio", "--data", str(tmp_path), "--json"]
    made = json.loads(subprocess.run(make, capture_output=True, text=True, check=True).stdout)
    with serving(root, tmp_path) as page:
        tab = browser.new_page()
        tab.goto(page)
        expect(tab.locator("#ask-key")).to_be_visible()
        assert 0 == tab.locator("nav button").count()
        tab.fill("#ask-key input", made["key"])
        tab.click("#ask-key button")
        expect(tab.locator("nav button").first).to_be_visible()
        tab.reload()
        expect(tab.locator("nav button").first).to_be_visible()
        assert made["key"] not in tab.content()
        tab.close()


def test_the_api_is_shown_by_its_own_document(tab: Page, url: str) -> None:
    """Every operation and every shape has a section, every link leads to one, and nothing is asked of another host."""
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(url)
    tab.click("header a:has-text('API')")
    expect(tab.locator("#create_run_api_v1_workflows__workflow_id__runs_post pre")).to_have_count(2)
    document = tab.evaluate("fetch('openapi.json').then((reply) => reply.json())")
    operations = [each["operationId"] for methods in document["paths"].values() for each in methods.values()]
    shapes = list(document["components"]["schemas"])
    sections = tab.eval_on_selector_all("section", "(found) => found.map((each) => each.id)")
    assert sorted(operations + shapes) == sorted(sections)
    links = tab.eval_on_selector_all("a[href^='#']", "(found) => found.map((each) => each.hash.slice(1))")
    assert set() == set(links) - set(sections)
    assert [] == [each for each in asked if not each.startswith((url, "data:"))]
