"""``comfypipe report``: a page to look at runs with."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from comfypipe.cli.console import Console
from comfypipe.cli.options import AsJson, ProjectFolder
from comfypipe.errors import UsageError

if TYPE_CHECKING:
    from comfypipe.reports.gallery.entry import Entry
    from comfypipe.reports.gallery.folder import FolderReport
    from comfypipe.reports.gallery.recorded import Prompts
    from comfypipe.reports.gallery.write import Gallery, Written

Sources = Annotated[
    list[str],
    typer.Argument(metavar="DIR|RUN…", help="A folder that `run --out` or `batch` wrote; or ids of runs, or `latest`."),
]
Page = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Where to; default: report.html in DIR, or here.", show_default=False),
]
Keep = Annotated[
    str,
    typer.Option(
        "--files",
        metavar="auto|inline|beside|embed",
        help="Thumbnails in the page (inline) or beside it; embed: whole files in the page, to send it by itself.",
    ),
]
Thumbnails = Annotated[int, typer.Option("--thumbnail", min=64, max=1024, metavar="PX", help="Longer side, in pixels.")]
Title = Annotated[str | None, typer.Option(metavar="TEXT", help="The page's title.", show_default=False)]
Open = Annotated[bool, typer.Option("--open", help="Open the page in the browser.")]


def report(
    sources: Sources,
    out: Page = None,
    title: Title = None,
    files: Keep = "auto",
    thumbnail: Thumbnails = 320,
    open_page: Open = False,
    project: ProjectFolder = None,
    as_json: AsJson = False,
) -> None:
    """Write a page to look at runs with: filter, sort, compare, sweeps as grids."""
    from dataclasses import replace

    from comfypipe.reports.gallery.recorded import with_prompts
    from comfypipe.reports.gallery.write import Gallery, Keeping

    if files not in list(Keeping):
        raise UsageError(f'--files is one of {", ".join(Keeping)}, not "{files}"')
    console = Console(as_json=as_json)
    found, folder = _read(sources, project)
    gallery = Gallery(
        page=(out or folder / "report.html").absolute(),
        title=title or found.title,
        axes=found.axes,
        keeping=Keeping(files),
        count=found.count,
        thumbnail_px=thumbnail,
    )
    if gallery.page.is_dir():
        gallery = replace(gallery, page=gallery.page / "report.html")
    with _known_prompts(project, folder) as ask:
        entries = found.entries if ask is None else with_prompts(found.entries, ask)
        written = _write(console, gallery, entries)
    _done(console, gallery.page, written, open_page=open_page)


@contextmanager
def _known_prompts(project: Path | None, folder: Path) -> "Iterator[Callable[[Sequence[str]], Prompts] | None]":
    """Give what looks prompts up in the ledger of the project that a folder belongs to; None where there is none."""
    import asyncio

    from comfypipe.errors import ProjectNotFound
    from comfypipe.execution.project import Project

    try:
        found = Project.find(project or folder.absolute())
    except ProjectNotFound:
        yield None
        return
    if not found.layout.ledger.exists():
        yield None
        return
    with asyncio.Runner() as runner:
        try:
            yield lambda run_ids: runner.run(found.ledger.batches.prompts(run_ids))
        finally:
            runner.run(found.close())


def _done(console: Console, page: Path, written: "Written", *, open_page: bool) -> None:
    for path in written.missing[:5]:
        console.say(f"{path} is gone: the page says so in its place")
    if len(written.missing) > 5:
        console.say(f"… and {len(written.missing) - 5} more")
    missing = [str(path) for path in written.missing]
    console.document({"path": str(page), "runs": written.runs, "missing": missing})
    console.result(str(page))
    if open_page:
        typer.launch(page.as_uri())


def _read(sources: Sequence[str], project: Path | None) -> "tuple[FolderReport, Path]":
    """Return the runs that are asked for, and the folder that their page belongs into."""
    folders = [Path(source) for source in sources if Path(source).is_dir()]
    if folders and len(sources) > 1:
        raise UsageError("name one folder, or ids of runs", hint="a page for each folder: call it once for each")
    from comfypipe.reports.gallery.folder import FolderReport, read_folder

    if folders:
        return read_folder(folders[0]), folders[0]
    entries = _of_runs(sources, project)
    title = entries[0].name if len({each.name for each in entries}) == 1 else "Runs"
    return FolderReport(title, iter(entries), count=len(entries)), Path.cwd()


def _of_runs(references: Sequence[str], project: Path | None) -> "list[Entry]":
    import asyncio

    from comfypipe.execution.project import Project
    from comfypipe.reports.gallery.recorded import entry_of_run

    paths = [each for each in references if "/" in each or "." in each]
    if paths:
        raise UsageError(
            f"{paths[0]} is no folder", hint="name a folder of outputs, or ids of runs (`comfypipe runs list`)"
        )

    async def read() -> "list[Entry]":
        async with Project.find(project) as opened:
            return [entry_of_run(await opened.details(each)) for each in references]

    return asyncio.run(read())


def _write(console: Console, gallery: "Gallery", entries: "Iterator[Entry]") -> "Written":
    from comfypipe.reports.gallery.write import write_gallery

    if not console.live:
        return write_gallery(gallery, entries)
    from rich.console import Console as Terminal
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*shown, console=Terminal(stderr=True), transient=True) as progress:
        task = progress.add_task("writing the page", total=gallery.count)
        return write_gallery(gallery, entries, lambda done: progress.update(task, completed=done))
