from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.manifest.values import FileValue, describe, safe_filename, shortened

SHA = "3f2a" + "0" * 60


def test_a_file_is_placed_by_its_content() -> None:
    """The same bytes have the same place, wherever they come from."""
    one = FileValue("photo.png", "image", Path("/a/photo.png"), None, SHA)
    other = FileValue("photo.png", "mask", None, "https://example.com/photo.png", SHA)
    assert ("comfypipe/3f2a000000000000/photo.png",) * 2 == (one.placement, other.placement)


def test_a_url_is_placed_by_its_address() -> None:
    """A file that has not been fetched has a place all the same, another one for each address."""
    one, other = (FileValue("a.png", "image", None, f"https://example.com/{name}") for name in "xy")
    assert (True, one.placement) == (
        one.placement != other.placement,
        FileValue("a.png", "file", None, one.url).placement,
    )


def test_only_a_file_that_lies_nowhere_is_a_placeholder() -> None:
    """What has neither a path nor a URL only stands in."""
    held = (FileValue("a"), FileValue("a", path=Path("a")), FileValue("a", url="https://example.com"))
    assert (True, False, False) == tuple(each.placeholder for each in held)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("photo.png", "photo.png"),
        ("my photo (1).png", "my_photo_1_.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\photo.PNG", "photo.PNG"),
        (".hidden", "hidden"),
        ("…", "_"),
        ("", "file"),
        (".png", "png"),
        ("a" * 300 + ".png", "a" * 76 + ".png"),
        ("a." + "b" * 300, "a." + "b" * 16),
    ],
)
def test_file_names_are_made_safe(name: str, safe: str) -> None:
    """Only letters, digits and ``._-`` are left of a name, its suffix with them."""
    assert safe == safe_filename(name)


@given(st.text())
def test_any_name_becomes_one_that_every_system_takes(name: str) -> None:
    """Whatever a file is called, its placed name is one short component without a path in it."""
    safe = safe_filename(name)
    assert 1 <= len(safe) <= 97
    assert not set(safe) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert not safe.startswith(".")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing"),
        (True, "true"),
        (7, "the number 7"),
        (1.5, "the number 1.5"),
        ("a\nb", 'the text "a b"'),
        ([1, 2], "a list of 2"),
        ({}, "a mapping"),
        (FileValue("a", "audio"), "a sound file"),
        (object(), "a object"),
    ],
)
def test_values_are_described_in_words(value: object, words: str) -> None:
    """Messages say what kind of value there is, and show it where it is short."""
    assert words == describe(value)


def test_long_text_is_shortened() -> None:
    """Messages show at most 60 characters of a text, in one line."""
    assert "x" * 57 + "…" == shortened("x" * 61)
