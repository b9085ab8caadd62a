"""The gallery in a real browser, as people use it."""

import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from tests.batch_results import FAILED_ROW, HOSTILE, write_batch

pytestmark = pytest.mark.timeout(120)

DRAWN = "Array.from(document.querySelectorAll('#view .card')).map(card => Number(card.dataset.index) + 1)"
PLAYS = """new Promise(done => {
    const film = document.querySelector('#viewer video');
    film.addEventListener('timeupdate', () => film.currentTime && done(film.currentTime));
})"""
LOADED = "Array.from(document.images).every(image => image.complete && image.naturalWidth > 0)"


def opened(tab: Page, folder: Path, *options: str) -> None:
    """Write the report of a folder with the real command, and open it."""
    command = [sys.executable, "-m", "comfypipe", "report", str(folder), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert 0 == done.returncode, done.stderr
    tab.goto(Path(json.loads(done.stdout)["path"]).as_uri())
    tab.wait_for_selector("html[data-ready]", state="attached")


def as_list(tab: Page) -> None:
    """Leave the grid of the sweep for the list of all runs."""
    tab.select_option("#axes select >> nth=0", "")


def test_a_sweep_opens_as_a_grid_with_labels(tab: Page, tmp_path: Path) -> None:
    """The first axis goes across, the second down, and every picture is there."""
    write_batch(tmp_path)
    opened(tab, tmp_path)
    assert ["10", "20", "30"] == tab.locator(".matrix .top").all_inner_texts()
    assert ["steps →\nsampler ↓", "dpmpp_2m", "euler"] == tab.locator(".matrix .label").all_inner_texts()
    assert [2, 4, 6, 1, 3, 5] == tab.evaluate(DRAWN)
    assert tab.evaluate(LOADED)
    assert "6 runs" == tab.inner_text("#count")


def test_filters_and_order_do_what_they_say(tab: Page, tmp_path: Path) -> None:
    """By status, by parameter, by words; the address keeps it over a reload."""
    write_batch(tmp_path)
    opened(tab, tmp_path)
    as_list(tab)
    tab.click("button.chip.failed")
    assert [FAILED_ROW] == tab.evaluate(DRAWN)
    assert "out of memory" == tab.inner_text(".reason")
    tab.click("text=Clear")
    tab.click("summary:has-text('sampler')")
    tab.check("label:has-text('euler') >> input")
    assert [1, 3, 5] == tab.evaluate(DRAWN)
    tab.select_option("#sort", "seconds")
    tab.click("#direction")
    assert [5, 3, 1] == tab.evaluate(DRAWN)
    tab.fill("#search", "take run00003")
    assert [3] == tab.evaluate(DRAWN)
    tab.reload()
    assert ([3], "1 of 6 runs") == (tab.evaluate(DRAWN), tab.inner_text("#count"))


def test_a_run_opens_with_all_that_is_known(tab: Page, tmp_path: Path) -> None:
    """Picture, parameters, prompt and provenance; arrow keys go on; a failure shows its reason; markup is text."""
    write_batch(tmp_path)
    opened(tab, tmp_path)
    as_list(tab)
    tab.locator(".card").first.click()
    about = tab.inner_text("#viewer .about")
    assert HOSTILE in about
    assert all(each in about for each in ("lighthouse, row 1", "ab" * 32, "embedded:", "http://127.0.0.1:8188"))
    tab.click("#viewer summary")
    assert '"sampler_name": "euler"' in tab.inner_text("#viewer details pre")
    expect(tab.locator("#viewer img")).to_have_js_property("naturalWidth", 48)
    for _ in range(FAILED_ROW - 1):
        tab.keyboard.press("ArrowRight")
    assert "RunFailed\nout of memory\nnode 3\nhint: use less" == tab.inner_text("#viewer pre.error >> nth=1")
    tab.keyboard.press("Escape")
    expect(tab.locator(f".card[data-index='{FAILED_ROW - 1}']")).to_be_focused()
    assert "lighthouses" == tab.title()


def test_two_runs_are_compared_by_keyboard_alone(tab: Page, tmp_path: Path) -> None:
    """Arrows, c and v lead to both pictures side by side, with what differs marked."""
    write_batch(tmp_path)
    opened(tab, tmp_path)
    as_list(tab)
    for key in ("ArrowRight", "c", "ArrowRight", "c", "v"):
        tab.keyboard.press(key)
    tab.wait_for_selector("#comparison[open]")
    differs = tab.locator("#comparison tr.differs th").all_inner_texts()
    assert ["run", "sampler", "subject", "time", "node 3 sampler_name"] == differs
    assert 2 == tab.locator("#comparison img").count()
    tab.keyboard.press("+")
    assert ["matrix(1.5, 0, 0, 1.5, 0, 0)"] * 2 == tab.evaluate(
        "Array.from(document.querySelectorAll('#comparison img')).map(image => getComputedStyle(image).transform)"
    )
    tab.keyboard.press("Escape")
    assert not tab.locator("#comparison").is_visible()


def test_films_play(tab: Page, tmp_path: Path) -> None:
    """A video output has a picture in the list, and plays when it is opened."""
    write_batch(tmp_path)
    with av.open(str(tmp_path / "film.webm"), "w") as file:
        stream = file.add_stream("libvpx-vp9", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        for shade in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((32, 64, 3), 40 * shade, np.uint8))
            file.mux(list(stream.encode(frame)))
        file.mux(list(stream.encode(None)))
    output = {"film": [{"path": "film.webm", "media_type": "video/webm", "size_bytes": 1}]}
    (tmp_path / "results.jsonl").write_text(json.dumps({"status": "completed", "run_id": "a", "outputs": output}))
    opened(tab, tmp_path)
    assert "▶ video" == tab.inner_text(".badge")
    tab.locator(".card").click()
    assert 0 < tab.evaluate(PLAYS)
    tab.keyboard.press("Escape")
    expect(tab.locator("video")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_page_follows_the_system_and_the_key(tab: Page, tmp_path: Path, scheme: str) -> None:
    """Dark systems get a dark page, and t turns it round."""
    write_batch(tmp_path)
    tab.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    opened(tab, tmp_path)
    ground = "getComputedStyle(document.body).backgroundColor"
    colours = {"dark": "rgb(22, 23, 26)", "light": "rgb(246, 246, 244)"}
    assert colours[scheme] == tab.evaluate(ground)
    tab.keyboard.press("t")
    assert colours[{"dark": "light", "light": "dark"}[scheme]] == tab.evaluate(ground)


def test_ten_thousand_runs_draw_only_what_is_in_sight(tab: Page, tmp_path: Path) -> None:
    """However many runs there are, the page holds some hundred elements, at the top and at the end."""
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    files = {"image": [{"path": "x.png", "sha256": "ab" * 32, "media_type": "image/png"}]}
    with (tmp_path / "results.jsonl").open("w") as results:
        for row in range(1, 10_001):
            params = {"number": row, "parity": row % 2}
            results.write(json.dumps({"status": "completed", "row": row, "params": params, "outputs": files}) + "\n")
    opened(tab, tmp_path)
    elements = "document.querySelectorAll('*').length"
    assert "10,000 runs" == tab.inner_text("#count")
    assert 800 > tab.evaluate(elements)
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("End")
    assert 10_000 in tab.evaluate(DRAWN)
    assert 800 > tab.evaluate(elements)
    tab.fill("#search", "9999")
    assert [9999] == tab.evaluate(DRAWN)
