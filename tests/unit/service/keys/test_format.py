"""The text of an API key."""

import hashlib
import re

from hypothesis import given
from hypothesis import strategies as st

from comfypipe.service.keys.format import ApiKey, new_key, read_key

WRITTEN = "cpk_0123456789ab_" + "A" * 43


def test_a_new_key_is_read_as_what_it_is() -> None:
    """A key's text gives its id and its hash again."""
    text, key = new_key()
    assert key == read_key(text)
    assert ApiKey(text.split("_")[1], hashlib.sha256(text.encode()).hexdigest()) == key


def test_a_key_has_its_form() -> None:
    """A prefix, an id, 32 bytes and a checksum: nothing that needs escaping."""
    text, _ = new_key()
    assert re.fullmatch(r"cpk_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}", text)


def test_keys_differ() -> None:
    """Ids and secrets are drawn at random."""
    texts = [new_key()[0] for _ in range(100)]
    assert 100 == len({text.split("_")[1] for text in texts})
    assert 100 == len({text.split("_")[2] for text in texts})


def test_a_changed_character_shows() -> None:
    """Every mistyped character is found by the checksum."""
    text, _ = new_key()
    for place in range(4, len(text)):
        changed = text[:place] + ("x" if text[place] != "x" else "y") + text[place + 1 :]
        assert None is read_key(changed)


@given(st.text() | st.builds("".join, st.tuples(st.just(WRITTEN), st.text(max_size=8))))
def test_what_was_never_a_key_is_none(text: str) -> None:
    """Whatever is sent in place of a key reads as none, without an error."""
    assert None is read_key(text)
