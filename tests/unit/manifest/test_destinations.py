from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfypipe.manifest.destinations import destination_problem, is_url, path_problem, url_problem


@pytest.mark.parametrize(
    "name",
    [
        "input/a.png",
        "input/sub/folder/a b.png",
        "models/loras/a.safetensors",
        "models/a/b/c",
        "input/ü.png",
        "input/.a",
    ],
)
def test_open_places_are_open(name: str) -> None:
    """Files below ``input`` and below a folder of models can be filled."""
    assert destination_problem(name) is None


_PARTS = st.sampled_from(
    [
        *("input", "models", "..", ".", "", "~", "/", "\\", "C:", "custom_nodes", "CUSTOM_NODES", "a", "loras", "..\\"),
        *(
            "\x00",
            "\uff0e\uff0e",
            "%2e%2e",
            "a:b",
            "con",
            "nul.txt",
            "a.",
            "a ",
            "...",
            "output",
            "input\x7f",
            "\ud800",
        ),
    ]
)


@settings(max_examples=400)
@given(st.lists(_PARTS | st.text(max_size=5), min_size=1, max_size=6).map("/".join) | st.text(max_size=40))
def test_what_is_let_through_stays_below_its_root(name: str) -> None:
    """A destination without a problem leads below ``input`` or ``models/FOLDER`` on every system."""
    if destination_problem(name) is not None:
        return
    windows = PureWindowsPath(name)
    assert PurePosixPath(name).parts == windows.parts
    assert (windows.drive, windows.root) == ("", "")
    assert windows.parts[0] in ("input", "models")
    assert len(windows.parts) > (1 if windows.parts[0] == "input" else 2)
    assert not {"..", "custom_nodes"} & {part.strip(". ").casefold() or ".." for part in windows.parts}


def test_a_path_has_a_length() -> None:
    """A path that is longer than any system takes is refused."""
    assert "a path has 1 to 512 characters" == path_problem("a" * 513)


@pytest.mark.parametrize(
    "url", ["https://example.com/a.png", "http://127.0.0.1:8188/view?a=b", "HTTPS://EXAMPLE.com/x"]
)
def test_web_addresses_are_urls(url: str) -> None:
    """Addresses of http and https can be fetched from."""
    assert (True, None) == (is_url(url), url_problem(url))


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("file:///etc/passwd", "it begins with neither https:// nor http://"),
        ("https://", "it is not an address"),
        ("https://exa mple.com/", "it is not an address"),
        ("https://user@example.com/", "a user name or key does not belong in it"),
        ("https://[::1/", "Invalid IPv6 URL"),
    ],
)
def test_other_addresses_are_refused(url: str, problem: str) -> None:
    """What is no plain web address is no URL to fetch from."""
    assert problem == url_problem(url)
