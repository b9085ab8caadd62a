"""Where saving nodes write: prefixes and their tokens, the counter, and files that appear whole or not at all."""

import os
import re
import secrets
import string
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BATCH_TOKEN = "%batch_num%"  # noqa: S105  a placeholder in file names


@dataclass(frozen=True, slots=True)
class SaveLocation:
    """
    Where the files of one call of a saving node go.

    Attributes:
        folder: The folder itself; it exists.
        filename: Last part of the prefix; may still hold ``%batch_num%``.
        counter: Number of the first file.
        subfolder: The folder below the output folder, as clients are told; empty for the output folder itself.
        prefix: The prefix with all tokens but ``%batch_num%`` filled in.
    """

    folder: Path
    filename: str
    counter: int
    subfolder: str
    prefix: str

    def name(self, extension: str, index: int | None = None) -> str:
        """
        Return the name of a file: ``{filename}_{counter:05}_.{extension}``.

        Args:
            extension: Without the dot.
            index: Position in the batch, which goes into the name; None for a file of the whole batch.
        """
        filename = self.filename if index is None else self.filename.replace(BATCH_TOKEN, str(index))
        return f"{filename}_{self.counter + (index or 0):05}_.{extension}"


def save_location(
    prefix: str,
    folder: Path,
    width: int = 0,
    height: int = 0,
    clock: Callable[[], time.struct_time] = time.localtime,
) -> SaveLocation:
    """
    Resolve a ``filename_prefix`` below *folder*, make its sub-folder, and find the next free counter.

    Unlike ComfyUI, which starts again at 1, files of a prefix with ``%batch_num%`` are counted too: an earlier run's
    files are never written over.

    Args:
        prefix: May name sub-folders and hold ``%width% %height% %year% %month% %day% %hour% %minute% %second%``.
        folder: The output (or temp) folder.
        width: Pixels of what is saved, for the token.
        height: Pixels of what is saved, for the token.
        clock: Local time.

    Raises:
        Exception: The prefix leads out of *folder*: ComfyUI's own type and wording, which its clients show.

    Source: ComfyUI ``get_save_image_path`` (0.3.64), as observed.
    """
    filled = fill_tokens(prefix, width, height, clock)
    relative = os.path.normpath(filled)
    subfolder, filename = os.path.split(relative)
    base = os.path.abspath(folder)  # noqa: PTH100  resolve() would follow links that users put there on purpose
    target = os.path.normpath(os.path.join(base, subfolder))  # noqa: PTH118  an absolute prefix must show itself
    common = os.path.commonpath((base, target))
    if common != base:
        raise Exception(
            "**** ERROR: Saving image outside the output folder is not allowed."
            f"\n full_output_folder: {target}\n         output_dir: {base}\n         commonpath: {common}"
        )
    if not os.path.isdir(target):  # noqa: PTH112  the usual case, and faster than to be told that it exists
        os.makedirs(target, exist_ok=True)  # noqa: PTH103
    return SaveLocation(Path(target), filename, _next_counter(Path(target), filename), subfolder, filled)


def preview_location(folder: Path, width: int = 0, height: int = 0) -> SaveLocation:
    """Return where a previewing node writes: ``ComfyUI_temp_`` and five random letters, below the temp *folder*."""
    letters = "".join(secrets.choice(string.ascii_lowercase) for _ in range(5))
    return save_location(f"ComfyUI_temp_{letters}", folder, width, height)


def fill_tokens(prefix: str, width: int, height: int, clock: Callable[[], time.struct_time] = time.localtime) -> str:
    """Replace the tokens that a server knows; ``%date:…%`` and ``%Node.widget%`` are the front end's and stay."""
    if "%" not in prefix:
        return prefix
    now = clock()
    tokens = {
        "width": str(width),
        "height": str(height),
        "year": str(now.tm_year),
        "month": f"{now.tm_mon:02}",
        "day": f"{now.tm_mday:02}",
        "hour": f"{now.tm_hour:02}",
        "minute": f"{now.tm_min:02}",
        "second": f"{now.tm_sec:02}",
    }
    for token, text in tokens.items():
        prefix = prefix.replace(f"%{token}%", text)
    return prefix


def _next_counter(folder: Path, filename: str) -> int:
    start, *more = filename.split(BATCH_TOKEN)
    pattern = re.compile("[0-9]+".join(["", *map(re.escape, more)]) + "_([^_]*)", re.DOTALL) if more else None
    begin = start if more else f"{start}_"
    highest = 0
    for entry in os.listdir(folder):  # noqa: PTH208  names are all that is needed; there may be many thousands
        if entry.startswith(begin):
            rest = entry[len(begin) :]
            match = pattern.match(rest) if pattern else None
            highest = max(highest, _digits(match[1] if match else "" if pattern else rest.partition("_")[0]))
    return highest + 1


def _digits(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """
    Give a temporary path beside *path* (same suffix) to write to, and put it in place when that went well.

    A failure leaves nothing behind, and what stood at *path* before stays as it was.
    """
    partial = path.parent / f".partial-{secrets.token_hex(8)}{path.suffix}"
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
