"""A template and values in, a prompt document out. Jinja is imported when the first template is rendered."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from comfypipe.errors import TemplateNotJSON
from comfypipe.template.document import NotADocument, parse_document
from comfypipe.template.files import TemplateNames
from comfypipe.template.limits import Limits
from comfypipe.template.rendered import Rendered, SourceMap

DEFAULT_LIMITS = Limits()


def render(
    template: Path, values: Mapping[str, Any], *, root: Path, shown: str, limits: Limits = DEFAULT_LIMITS
) -> Rendered:
    """
    Render a ``.json.j2`` template to a prompt document.

    What an expression gives is written as its place in JSON demands: outside a string as a JSON value, inside one as
    text, escaped. So no value can add, close or change a node. Values are kept exactly, lone surrogates included: the
    document holds what was given, and ``json.dumps`` writes it as valid JSON.

    Compiled templates are kept, and compiled again when the file changes. The same template with the same values gives
    the same document.

    Args:
        template: The file.
        values: By name; plain JSON values.
        root: The folder that ``include`` and ``import`` are confined to.
        shown: The template's path as the user knows it.
        limits: What rendering may take.

    Raises:
        TemplateUndefined: It reads a name that is not among *values*.
        TemplateTooExpensive: It runs over a limit.
        TemplateNotJSON: What it writes is not the JSON of a prompt.
        TemplateError: Anything else that is wrong with it. All have the place in the template, as far as it is known.
    """
    from comfypipe.template.writing import write  # the only import on the way: each row of a batch passes here

    names = TemplateNames(template, root, shown)
    pieces = write(names, values, limits)
    positions = SourceMap(pieces, names)
    try:
        document = parse_document(positions.text, forgiving=True)
    except NotADocument as error:
        source = positions.at(error.offset) if pieces else None
        raise TemplateNotJSON(f"not a prompt: {error.message}", hint=error.hint, source=source) from error
    return Rendered(document, positions, shown)


def names_read(template: Path, root: Path, shown: str | None = None) -> frozenset[str]:
    """
    Return the names that a template reads from its values, through the files that it includes by name.

    Names that are defined on the way (by ``set``, ``for``, ``macro``, ``import``) are not among them. The template is
    compiled, so that whatever is wrong with it as such is raised.

    Raises:
        TemplateError: It cannot be compiled.
    """
    from comfypipe.template.writing import names_undeclared

    return names_undeclared(TemplateNames(template, root, shown or template.name), DEFAULT_LIMITS)
