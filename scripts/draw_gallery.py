"""Draw docs/images/gallery.png: a sweep of the example workflow, as its report shows it in Chromium."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
SWEEP = (
    "--sweep",
    "colour=#c8553d,#3d6f8e,#7a9e7e,#d9a441,#6d597a",
    "--sweep",
    "strength=0.2,0.5,0.9",
)


def main() -> None:
    """Run the sweep on the embedded engine, write its report, and take its picture."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "sweep"
        typed("batch", "recolour", *SWEEP, "--out", str(out))
        typed("report", str(out))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            tab = browser.new_page(viewport={"width": 1240, "height": 820})
            tab.goto((out / "report.html").as_uri())
            tab.wait_for_selector("html[data-ready]", state="attached")
            tab.screenshot(path=ROOT / "docs/images/gallery.png")
            browser.close()


def typed(*arguments: str) -> None:
    """Run a command of comfypipe in the repository's own project."""
    environment = os.environ | {"COMFYPIPE_PROJECT": str(ROOT)}
    subprocess.run([sys.executable, "-m", "comfypipe", *arguments], check=True, env=environment)


if __name__ == "__main__":
    main()
