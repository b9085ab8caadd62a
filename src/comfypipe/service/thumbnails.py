"""Small pictures of outputs: made when they are first asked for, then kept."""

import asyncio
import io
from pathlib import Path

from comfypipe.reports.thumbnails import thumbnail
from comfypipe.service.state import Parts
from comfypipe.store.files import write_whole

_SIZE_PX = 256


async def thumbnail_of(parts: Parts, file: dict[str, str]) -> Path:
    """
    Return where the picture of an output lies; of one that shows nothing, a card with its suffix.

    Args:
        file: As the run's row keeps it.

    Raises:
        ArtifactMissing: The output is gone.
    """
    path = thumbnail_place(parts.settings.data, file["sha256"])
    if not path.is_file():
        source = parts.artifacts.path(file["sha256"])
        async with parts.same.hold(f"thumbnail {file['sha256']}"):
            await asyncio.to_thread(_make, source, file, path)
    return path


def thumbnail_place(data: Path, sha256: str) -> Path:
    """Return where the picture of a stored file lies, or would."""
    return data / "thumbnails" / sha256[:2] / f"{sha256[2:]}.webp"


def _make(source: Path, file: dict[str, str], destination: Path) -> None:
    if not destination.is_file():
        picture = thumbnail(source, file["media_type"], size_px=_SIZE_PX)
        write_whole(destination, picture or _card(Path(file["filename"]).suffix))


def _card(suffix: str) -> bytes:
    """Return a picture for files that have none."""
    from PIL import Image, ImageDraw, ImageFont

    card = Image.new("RGB", (_SIZE_PX, _SIZE_PX), (38, 41, 48))
    middle = (_SIZE_PX / 2, _SIZE_PX / 2)
    text = suffix.removeprefix(".").upper()[:8].encode("ascii", "replace").decode() or "FILE"
    ImageDraw.Draw(card).text(middle, text, (205, 210, 220), ImageFont.load_default(36), anchor="mm")
    written = io.BytesIO()
    card.save(written, "WEBP", quality=80)
    return written.getvalue()
