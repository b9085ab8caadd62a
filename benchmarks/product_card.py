"""The example pipeline, from submission to the last file, against the same pixels made directly by hand."""

import asyncio
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import correlate1d

from _timing import table
from comfypipe.execution.events import Event, RunFinished, StepStarted
from comfypipe.execution.project import Project

ROOT = Path(__file__).resolve().parent.parent
COLOURS = ("#c8553d", "#3d6f8e", "#d9a441")
SIDE, MARGIN, GAP, RADIUS = 512, 0.09, 24, 18
Floats = npt.NDArray[np.float32]


def load(path: Path) -> Floats:
    """Return a picture as (height, width, channel), 0..1."""
    with Image.open(path) as picture:
        return np.asarray(picture, dtype=np.float32) / np.float32(255)


def save(pixels: Floats, path: Path) -> None:
    """Write a PNG as ComfyUI does."""
    Image.fromarray((pixels.clip(0, 1) * 255).astype(np.uint8)).save(path, compress_level=4)


def fit(pixels: Floats, width: int, height: int) -> Floats:
    """Scale with Pillow's Lanczos filter."""
    picture = Image.fromarray((pixels * 255).astype(np.uint8)).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture, dtype=np.float32) / np.float32(255)


def cut_out(out: Path) -> None:
    """Fit the photo onto a square, transparent canvas."""
    photo = load(ROOT / "assets" / "vase.png")
    inner = round(SIDE * (1 - 2 * MARGIN))
    scale = min(inner / photo.shape[1], inner / photo.shape[0])
    width, height = int(photo.shape[1] * scale), int(photo.shape[0] * scale)
    left, top = (SIDE - width) // 2, (SIDE - height) // 2
    canvas = np.ones((SIDE, SIDE, 4), np.float32)
    canvas[..., 3] = 0
    canvas[top : top + height, left : left + width, :3] = fit(photo[..., :3], width, height)
    canvas[top : top + height, left : left + width, 3] = fit(photo[..., 3], width, height)
    save(canvas, out / "cutout.png")


def recolour(out: Path, index: int, colour: str) -> None:
    """Multiply by a tint, then lay the light and shade over it again."""
    photo = load(out / "cutout.png")
    rgb = photo[..., :3]
    tint = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / np.float32(255)
    base = rgb * np.float32(0.1) + rgb * tint * np.float32(0.9)
    curve = np.where(rgb <= 0.25, ((16 * rgb - 12) * rgb + 4) * rgb, np.sqrt(rgb))
    soft = np.where(rgb <= 0.5, base - (1 - 2 * rgb) * base * (1 - base), base + (2 * rgb - 1) * (curve - base))
    mixed = base * np.float32(0.65) + soft * np.float32(0.35)
    save(np.concatenate([mixed, photo[..., 3:]], axis=-1), out / f"variant-{index}.png")


def card(out: Path, index: int) -> None:
    """Set a variant on the backdrop, with a shadow and the logo."""
    scene = fit(load(ROOT / "assets" / "backdrop.png"), SIDE, SIDE)
    product = fit(load(out / f"variant-{index}.png"), SIDE, SIDE)
    alpha = product[..., 3:]
    shadow = blur(alpha[..., 0]) * np.float32(0.4)
    dx, dy = int(SIDE * 0.025), int(SIDE * 0.018)
    place = scene[dy:, dx:]
    cover = shadow[: SIDE - dy, : SIDE - dx, None]
    place[:] = place * (1 - cover) + np.array([0x2B, 0x24, 0x21], np.float32) / 255 * cover
    scene = scene * (1 - alpha) + product[..., :3] * alpha
    mark, inset = int(SIDE * 0.14), int(SIDE * 0.04)
    logo = fit(load(ROOT / "assets" / "logo.png")[..., 3], mark, mark)[..., None] * np.float32(0.75)
    at = SIDE - mark - inset
    corner = scene[at : at + mark, at : at + mark]
    corner[:] = corner * (1 - logo) + logo
    save(scene, out / f"card-{index}.png")


def blur(pixels: Floats) -> Floats:
    """Blur with a gaussian, as two passes."""
    kernel = np.exp(-(np.linspace(-1, 1, 2 * RADIUS + 1) ** 2) / (2 * 0.5**2)).astype(np.float32)
    kernel /= kernel.sum()
    across: Floats = correlate1d(pixels, kernel, axis=1, mode="mirror")
    both: Floats = correlate1d(across, kernel, axis=0, mode="mirror")
    return both


def contact_sheet(out: Path) -> None:
    """Lay the cards out on paper."""
    sheet = np.empty((SIDE + 2 * GAP, 3 * SIDE + 4 * GAP, 3), np.float32)
    sheet[:] = np.array([0xF4, 0xEF, 0xE6], np.float32) / 255
    for index in range(3):
        left = GAP + index * (SIDE + GAP)
        sheet[GAP : GAP + SIDE, left : left + SIDE] = fit(load(out / f"card-{index}.png"), SIDE, SIDE)
    save(sheet, out / "sheet.png")


def directly(folder: Path) -> float:
    """Make the same eight files by hand; returns seconds."""
    started = time.perf_counter()
    cut_out(folder)
    for index, colour in enumerate(COLOURS):
        recolour(folder, index, colour)
        card(folder, index)
    contact_sheet(folder)
    return time.perf_counter() - started


class Clock:
    """Notes when a run's first step starts and when it has ended."""

    def __init__(self) -> None:
        self.started = self.ended = 0.0

    def __call__(self, event: Event) -> None:
        """Take an event in."""
        if isinstance(event, StepStarted) and not self.started:
            self.started = time.perf_counter()
        elif isinstance(event, RunFinished):
            self.ended = time.perf_counter()


async def through_comfypipe(folder: Path) -> float:
    """Run the pipeline in a fresh copy of the project; returns seconds from the first submission to the last file."""
    for name in ("workflows", "manifests", "assets"):
        shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True)
    shutil.copy(ROOT / "pyproject.toml", folder)
    clock = Clock()
    async with Project.load(folder) as project:
        await project.run("recolour", {"image": str(folder / "assets" / "logo.png")})  # imports what nodes need
        await project.run("product_card", {"colours": list(COLOURS)}, listener=clock)
    return clock.ended - clock.started


def main() -> None:
    """Print the table: the best of five of each, in turns."""
    by_hand, piped = [], []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as folder:
            by_hand.append(directly(Path(folder)))
        with tempfile.TemporaryDirectory() as folder:
            piped.append(asyncio.run(through_comfypipe(Path(folder))))
    rows = [
        ["Pillow and numpy, by hand", f"{min(by_hand) * 1000:.0f}", "1.00", ""],
        ["product_card", f"{min(piped) * 1000:.0f}", f"{min(piped) / min(by_hand):.2f}", "≤ 2"],
    ]
    print(table(["eight pictures, from submission to the last file", "ms", "ratio", "goal"], rows))


if __name__ == "__main__":
    main()
