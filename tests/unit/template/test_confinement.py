import os
from pathlib import Path

import pytest
from tests.unit.template.builders import Templates

from comfypipe.errors import TemplateError

NAMES = [
    "../secret.j2",
    "parts/../../secret.j2",
    "parts/../main.json.j2",
    "{absolute}",
    "/etc/hostname",
    "//etc/hostname",
    "..\\\\secret.j2",
    "parts\\\\..\\\\..\\\\secret.j2",
    "",
    ".",
    "parts",
    "..",
    "link.j2",
    "folder/secret.j2",
    "\\0/etc/hostname",
    "parts/x.j2\\0.j2",
]
TAGS = [
    '{% include "NAME" %}',
    '{% import "NAME" as x %}',
    '{% from "NAME" import x %}',
    '{% set name = "NAME" %}{% include name %}',
    '{% include ["NAME"] ignore missing %}',
]


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("name", NAMES)
def test_files_elsewhere(tmp_path: Path, templates: Templates, name: str, tag: str) -> None:
    """No include or import reads a file outside the root: by name, by absolute path, through a link."""
    secret = tmp_path / "secret.j2"
    secret.write_text("SECRET")
    templates.write("", parts_x="fine")
    (templates.root / "link.j2").symlink_to(secret)
    (templates.root / "folder").symlink_to(tmp_path)
    text = tag.replace("NAME", name.format(absolute=secret))
    templates.write('{"a": "' + text + '"}')
    if "ignore missing" in tag and name in (".", "parts"):
        return  # a folder is not there as a file
    with pytest.raises(TemplateError) as raised:
        templates.document()
    assert "SECRET" not in str(raised.value)


def test_links_within_the_root(templates: Templates) -> None:
    """A link from one place below the root to another is followed."""
    templates.write('{"a": "{% include "link.j2" %}"}', parts_x="fine")
    (templates.root / "link.j2").symlink_to(templates.root / "parts/x.j2")
    assert {"a": "fine"} == templates.document()


def test_pipes_are_not_waited_for(templates: Templates) -> None:
    """A file that is none is refused, not read."""
    os.mkfifo(templates.root / "pipe.j2")
    with pytest.raises(TemplateError, match="not a file"):
        templates.write('{"a": "{% include "pipe.j2" %}"}').document()
