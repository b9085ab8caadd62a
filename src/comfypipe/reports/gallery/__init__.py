"""A page to look at runs with: pictures, filters, sweeps as grids, comparison."""

from comfypipe.reports.gallery.entry import Entry, EntryFile
from comfypipe.reports.gallery.folder import read_folder
from comfypipe.reports.gallery.recorded import entry_of_run
from comfypipe.reports.gallery.write import Gallery, Keeping, write_gallery

__all__ = ["Entry", "EntryFile", "Gallery", "Keeping", "entry_of_run", "read_folder", "write_gallery"]
