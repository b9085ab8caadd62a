"""URLs that open without a key."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from comfypipe.service.links import FileLink, Links, load_secret
from comfypipe.service.placing import renamed


@given(st.text(min_size=1, max_size=40))
def test_our_own_urls_are_read_back(filename: str) -> None:
    """Whatever a file is called, its URL leads back to it, under any host; with another secret it leads nowhere."""
    link = FileLink("outputs", "APCmAT2lf8O6sAgk2Svf2", 3)
    url = "https://any.example" + Links(b"a").path(link, filename)
    found = Links(b"a").read(url)
    assert found is not None
    assert link == found[0]
    assert Links(b"b").read(url) is None


def test_the_secret_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    """Two calls give the same secret; nobody else can read its file."""
    path = tmp_path / "new" / "secret"
    assert load_secret(path) == load_secret(path)
    assert 0o600 == path.stat().st_mode & 0o777


def test_only_whole_names_are_changed_in_prompts() -> None:
    """An input that is exactly a file's name is changed; one that merely holds it, a link, or a class is not."""
    prompt = {
        "1": {"class_type": "a.png", "inputs": {"image": "a.png", "text": "see a.png", "link": ["a.png", 0]}},
        "2": {"class_type": "B", "inputs": {"n": 1}, "_meta": {"title": "a.png"}},
    }
    wanted = {
        "1": {"class_type": "a.png", "inputs": {"image": "x/a.png", "text": "see a.png", "link": ["a.png", 0]}},
        "2": {"class_type": "B", "inputs": {"n": 1}, "_meta": {"title": "a.png"}},
    }
    assert wanted == renamed(prompt, {"a.png": "x/a.png"})
