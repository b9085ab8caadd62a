"""
What an API key looks like: ``cpk_<id>_<secret>_<checksum>``.

The prefix lets scanners of code find keys that leaked; the checksum lets mistyped ones be refused without a look into
the database; the id is where to look.
"""

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_CHARACTERS = 12
_SECRET_BYTES = 32
_SECRET_CHARACTERS = 43  # 62 ** 43 > 2 ** 256
_CHECKSUM_CHARACTERS = 6  # 62 ** 6 > 2 ** 32
_KEY = re.compile(
    rf"(cpk_([0-9A-Za-z]{{{_ID_CHARACTERS}}})_[0-9A-Za-z]{{{_SECRET_CHARACTERS}}})"
    rf"_([0-9A-Za-z]{{{_CHECKSUM_CHARACTERS}}})"
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """
    A key, as its holder has it: never kept, printed once.

    Attributes:
        id: May be shown, and stands in lists and logs.
        sha256: Of the whole text: what is kept of it.
    """

    id: str
    sha256: str


def new_key() -> tuple[str, ApiKey]:
    """Return a new key's text, with 32 bytes drawn at random in it, and what of it is kept."""
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_CHARACTERS))
    secret = _base62(int.from_bytes(secrets.token_bytes(_SECRET_BYTES)), _SECRET_CHARACTERS)
    body = f"cpk_{key_id}_{secret}"
    text = f"{body}_{_checksum(body)}"
    return text, ApiKey(key_id, _sha256(text))


def read_key(text: str) -> ApiKey | None:
    """Return what a key's text says; None for what was never a key: another form, or a wrong checksum."""
    found = _KEY.fullmatch(text)
    if found is None or _checksum(found[1]) != found[3]:
        return None
    return ApiKey(found[2], _sha256(text))


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode("ascii")), _CHECKSUM_CHARACTERS)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _base62(value: int, digits: int) -> str:
    found = []
    for _ in range(digits):
        value, digit = divmod(value, 62)
        found.append(_ALPHABET[digit])
    return "".join(reversed(found))
