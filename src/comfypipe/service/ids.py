"""Names of runs and uploads, as ComfyICU's clients know them."""

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits + "_-"
_CHARACTERS = 21


def new_id() -> str:
    """Return a random name of 21 characters that needs no escaping in URLs: a nanoid."""
    return "".join(_ALPHABET[each & 63] for each in secrets.token_bytes(_CHARACTERS))
