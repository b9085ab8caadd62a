"""The gallery: what writing costs, against thumbnails alone, and how a page of 10,000 runs behaves in Chromium."""

import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from comfypipe.reports.gallery.folder import read_folder
from comfypipe.reports.gallery.write import Gallery, Keeping, write_gallery

RUNS = 10_000
PICTURES = 200
FRAME = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"


def main() -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_rows(root)
        plain_s = plain_thumbnails(root)
        first_s = written(root)
        again_s = written(root)
        size_mb = (root / "report.html").stat().st_size / 1e6
        print("| what | figure |\n|---|---|")
        print(f"| {RUNS:,} runs of {PICTURES} pictures, first page | {first_s:.1f} s |")
        print(f"| the same again | {again_s:.1f} s, {again_s / RUNS * 1e3:.2f} ms a run |")
        print(f"| a plain Pillow thumbnail of each picture, one thread | {plain_s:.1f} s |")
        print(f"| size of the page | {size_mb:.1f} MB |")
        in_browser(root / "report.html")


def write_rows(folder: Path) -> None:
    """Write a batch whose rows share some pictures."""
    for number in range(PICTURES):
        Image.effect_noise((1024, 1024), 40 + number).convert("RGB").save(folder / f"{number}.png", compress_level=1)
    with (folder / "results.jsonl").open("w") as results:
        for row in range(1, RUNS + 1):
            number = row % PICTURES
            file = {"path": f"{number}.png", "sha256": f"{number:064x}", "media_type": "image/png", "size_bytes": 1}
            params = {"steps": row % 4, "cfg": row % 25, "subject": f"a lighthouse, take {row}"}
            results.write(
                json.dumps({"status": "completed", "row": row, "params": params, "outputs": {"i": [file]}}) + "\n"
            )


def plain_thumbnails(folder: Path) -> float:
    """Return the seconds that the thumbnails take with Pillow's own words."""
    begin = time.perf_counter()
    for number in range(PICTURES):
        with Image.open(folder / f"{number}.png") as picture:
            picture.thumbnail((320, 320))
            picture.save(folder / "plain.webp", quality=78)
    return time.perf_counter() - begin


def written(folder: Path) -> float:
    """Return the seconds that a page takes."""
    begin = time.perf_counter()
    report = read_folder(folder)
    write_gallery(Gallery(folder / "report.html", "benchmark", keeping=Keeping.BESIDE, count=RUNS), report.entries)
    return time.perf_counter() - begin


def in_browser(page: Path) -> None:
    """Print how long the page takes to be ready, to scroll and to search."""
    program = shutil.which("chromium")
    if program is None:
        sys.exit("needs chromium: scripts/setup_browser installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        begin = time.perf_counter()
        tab.goto(page.as_uri())
        tab.wait_for_selector("html[data-ready]", state="attached")
        print(f"| ready in the browser | {time.perf_counter() - begin:.2f} s |")
        print(f"| scroll to anywhere, median of 20 | {statistics.median(scrolls(tab)):.0f} ms |")
        search = "document.getElementById('search').value = 'take 777', document.getElementById('search')"
        took_ms = timed(tab, f"{search}.dispatchEvent(new Event('input'))")
        print(f"| search | {took_ms:.0f} ms |")
        print(f"| elements in the page | {tab.evaluate('document.querySelectorAll(`*`).length')} |")
        browser.close()


def scrolls(tab: Page) -> list[float]:
    """Return the milliseconds of 20 jumps over the whole length."""
    jumps = [f"document.getElementById('view').scrollTop = {number * 37_000 % 500_000}" for number in range(1, 21)]
    return [timed(tab, jump) for jump in jumps]


def timed(tab: Page, action: str) -> float:
    """Return the milliseconds until what *action* changes has been drawn."""
    found: float = tab.evaluate(
        f"(async () => {{ const t = performance.now(); {action}; return await {FRAME} - t; }})()"
    )
    return found


if __name__ == "__main__":
    main()
