"""Writes the gallery: a page that needs no server, and beside it what would make it heavy."""

import base64
import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from comfypipe._types import JSON, JSONObject
from comfypipe.execution.media import media_of, suffix_of
from comfypipe.reports.gallery.entry import Entry, EntryFile
from comfypipe.reports.gallery.page import page_parts
from comfypipe.reports.gallery.prompts import PromptTable
from comfypipe.reports.thumbnails import thumbnail
from comfypipe.store.files import copy_whole, disk_faults, write_whole

_INLINE_RUNS = 300
"""Up to how many runs thumbnails stand in the page itself, when nobody says where."""


class Keeping(StrEnum):
    """Where pictures are kept."""

    AUTO = "auto"
    INLINE = "inline"
    BESIDE = "beside"
    EMBED = "embed"


@dataclass(frozen=True, slots=True)
class Gallery:
    """
    A page to be written.

    Attributes:
        page: Where to; files that have no place below its folder are linked into ``<page>_files`` beside it.
        axes: Parameters that the page groups by at first, as a grid.
        keeping: Thumbnails in the page (``inline``) or beside it; ``embed`` takes whole files into the page as well,
            so that it can be sent by itself; ``auto`` is ``inline`` up to 300 runs.
        count: How many entries are expected; None where nobody knows.
        workers: How many thumbnails are made at once.
    """

    page: Path
    title: str
    axes: tuple[str, ...] = ()
    keeping: Keeping = Keeping.AUTO
    count: int | None = None
    thumbnail_px: int = 320
    workers: int = os.cpu_count() or 1

    @property
    def files(self) -> Path:
        """The folder beside the page."""
        return self.page.with_name(f"{self.page.stem}_files")


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: how many runs, and which files of theirs could not be found."""

    runs: int
    missing: tuple[Path, ...] = ()


def write_gallery(gallery: Gallery, entries: Iterable[Entry], tell: Callable[[int], None] = lambda _: None) -> Written:
    """
    Write the page, whole or not at all, and return what is in it. Memory does not grow with pictures. Blocks.

    Args:
        tell: Is told how many runs are done.

    Raises:
        StoreError: The page cannot be written.
        ReportUnreadable: The entries cannot be read.
    """
    if gallery.keeping is Keeping.AUTO:
        few = gallery.count is not None and gallery.count <= _INLINE_RUNS
        gallery = replace(gallery, keeping=Keeping.INLINE if few else Keeping.BESIDE)
    writer = _Writer(gallery)
    partial = gallery.page.with_name(f".{gallery.page.name}.partial")
    with disk_faults(gallery.page):
        gallery.page.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("w", encoding="utf-8") as file:
                file.writelines(writer.parts(entries, tell))
            partial.replace(gallery.page)
        finally:
            partial.unlink(missing_ok=True)
    return Written(writer.runs, tuple(writer.missing))


class _Writer:
    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._prompts = PromptTable()
        self.runs = 0
        self.missing: list[Path] = []

    def parts(self, entries: Iterable[Entry], tell: Callable[[int], None]) -> Iterator[str]:
        head, tail = page_parts(self._gallery.title)
        yield head
        yield f'{{"title":{_json(self._gallery.title)},"axes":{_json(list(self._gallery.axes))},"entries":[\n'
        for each in self._described(entries):
            yield ("," if self.runs else "") + _json(each) + "\n"
            self.runs += 1
            tell(self.runs)
        yield f'],"prompts":{_json(list(self._prompts.bases))}}}'
        yield tail

    def _described(self, entries: Iterable[Entry]) -> Iterator[JSONObject]:
        """Yield the entries as the page takes them, in order; files are read by several threads, a little ahead."""
        ahead: deque[tuple[Entry, list[Future[JSONObject]]]] = deque()
        with ThreadPoolExecutor(self._gallery.workers) as threads:
            for entry in entries:
                ahead.append((entry, [threads.submit(self._file, file) for file in entry.files]))
                if len(ahead) > 4 * self._gallery.workers:
                    yield self._entry(*ahead.popleft())
            while ahead:
                yield self._entry(*ahead.popleft())

    def _entry(self, entry: Entry, files: list["Future[JSONObject]"]) -> JSONObject:
        shown: JSONObject = {
            "id": entry.id,
            "name": entry.name,
            "status": entry.status,
            "row": entry.row,
            "params": {name: _plain(value) for name, value in entry.params.items()},
            "files": [self._with_prompt(*each) for each in zip(files, entry.files, strict=True)],
            "values": dict(entry.values),
            "error": entry.error,
            "seconds": entry.seconds,
            "cost": entry.cost,
            "simulated": entry.simulated,
            "cached": entry.cached,
            "facts": dict(entry.facts),
            "prompt": None if entry.prompt is None else self._prompts.add(entry.prompt),
        }
        return {name: value for name, value in shown.items() if value not in (None, False, {}, [])}

    def _with_prompt(self, shown: "Future[JSONObject]", file: EntryFile) -> JSONObject:
        return shown.result() if file.prompt is None else shown.result() | {"prompt": self._prompts.add(file.prompt)}

    def _file(self, file: EntryFile) -> JSONObject:
        kind = media_of(file.media_type)
        shown: JSONObject = {"output": file.output, "name": file.filename, "kind": kind, "type": file.media_type}
        shown |= {"bytes": file.size_bytes, "sha256": file.sha256}
        if not file.path.is_file():
            self.missing.append(file.path)
            return shown | {"gone": True}
        return shown | {"src": self._source(file), "thumb": self._thumbnail(file, kind)}

    def _source(self, file: EntryFile) -> str:
        """Return where the page finds the whole file."""
        gallery = self._gallery
        if gallery.keeping is Keeping.EMBED:
            return _data_url(file.media_type or "application/octet-stream", file.path.read_bytes())
        if not file.path.resolve().is_relative_to(gallery.page.parent.resolve()):
            return self._linked(file)
        return _href(file.path.resolve(), gallery.page.parent.resolve())

    def _linked(self, file: EntryFile) -> str:
        name = f"{_digest(file)[:24]}{suffix_of(file.filename)}"
        place = self._gallery.files / name
        with disk_faults(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                try:
                    os.link(file.path, place)
                except FileExistsError:
                    pass  # another thread, for a run that gave the same file
                except OSError:  # another file system
                    copy_whole(file.path, place)
        return _href(place, self._gallery.page.parent)

    def _thumbnail(self, file: EntryFile, kind: str) -> str | None:
        if kind not in ("image", "video"):
            return None
        size_px = self._gallery.thumbnail_px
        if self._gallery.keeping is not Keeping.BESIDE:
            made = thumbnail(file.path, file.media_type, size_px=size_px)
            return None if made is None else _data_url("image/webp", made)
        place = self._gallery.files / f"{_digest(file)[:24]}-{size_px}.webp"
        if not place.exists():  # a thumbnail bears the digest of its file: one that is there is right
            made = thumbnail(file.path, file.media_type, size_px=size_px)
            if made is None:
                return None
            write_whole(place, made)
        return _href(place, self._gallery.page.parent)


def _digest(file: EntryFile) -> str:
    if file.sha256 and len(file.sha256) == 64 and file.sha256.isalnum():
        return file.sha256
    with file.path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _href(path: Path, folder: Path) -> str:
    return "./" + quote(path.relative_to(folder).as_posix())


def _data_url(media_type: str, content: bytes) -> str:
    return f"data:{quote(media_type, safe='/+.-')};base64,{base64.b64encode(content).decode()}"


def _plain(value: JSON) -> JSON:
    """Return a parameter as it is compared and shown: a file by its name."""
    if isinstance(value, dict) and "filename" in value:
        return value["filename"]
    return value


def _json(value: JSON) -> str:
    """Return JSON that can stand in a script element: nothing in it ends one."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
