"""Exports straight from ComfyUI: read as they are, never touched."""

from pathlib import Path

from comfypipe.diagnostics import Source
from comfypipe.errors import TemplateError, TemplateNotJSON
from comfypipe.template.document import NotADocument, parse_document
from comfypipe.template.rendered import Rendered, SourceMap

MAX_EXPORT_BYTES = 64 * 1024 * 1024


def load_export(path: Path, shown: str) -> Rendered:
    """
    Read a prompt in API format; places are exact to the column.

    Args:
        shown: The path as the user knows it.

    Raises:
        TemplateError: The file cannot be read.
        TemplateNotJSON: It is not the JSON of a prompt: a syntax error, a key given twice, NaN, a UI graph.
    """
    text = read_template(path, shown, MAX_EXPORT_BYTES)
    positions = SourceMap([(text, (shown, 1), True)], {shown: (shown, path)})
    try:
        return Rendered(parse_document(text), positions, shown)
    except NotADocument as error:
        source = positions.at(error.offset)
        raise TemplateNotJSON(f"not a prompt: {error.message}", hint=error.hint, source=source) from error


def read_template(path: Path, shown: str, limit_bytes: int) -> str:
    """
    Return the text of a file.

    Raises:
        TemplateError: It is missing, too large, no regular file, or no UTF-8.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited on for ever
            raise TemplateError("not a file", source=Source(shown))
        if path.stat().st_size > limit_bytes:
            raise TemplateError(f"larger than {limit_bytes} bytes", source=Source(shown))
        data = path.read_bytes()
    except OSError as error:
        raise TemplateError(f"cannot be read: {error.strerror or error}", source=Source(shown)) from error
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TemplateError("not UTF-8 text", hint="save it as UTF-8", source=Source(shown, line)) from error
