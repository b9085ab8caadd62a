"""Which places and addresses manifests may name: destinations in ComfyUI's folder, paths in the project, URLs."""

import re
from urllib.parse import urlsplit

_UNUSABLE = re.compile('[\x00-\x1f\x7f\\\\:*?"<>|\ud800-\udfff]')
_MAX_CHARACTERS = 512


def destination_problem(name: str) -> str | None:
    """
    Return why a file may not be put at *name*, relative to ComfyUI's folder; None when it may.

    Only ``input/…`` and ``models/FOLDER/…`` are open, and nothing leaves them; the rule is the same on every system.
    """
    if problem := path_problem(name):
        return problem
    parts = name.split("/")
    if any(part.casefold() == "custom_nodes" for part in parts):
        return "code is never put in place: custom_nodes is closed"
    if parts[0] == "input" and len(parts) > 1:
        return None
    if parts[0] == "models" and len(parts) > 2:
        return None
    return "only input/FILE and models/FOLDER/FILE can be filled"


def path_problem(name: str) -> str | None:
    """Return why *name* is no relative path that stays below its root on every system; None when it is one."""
    if not name or len(name) > _MAX_CHARACTERS:
        return f"a path has 1 to {_MAX_CHARACTERS} characters"
    if found := _UNUSABLE.search(name):
        return f"the character {found.group()!r} may not stand in it"
    if name.startswith(("/", "~")):
        return "it is not relative"
    if any(part in ("", ".", "..") or part[-1] in ". " for part in name.split("/")):
        return "empty parts, . and .. and names that end with a dot or a space may not stand in it"
    return None


def is_url(text: str) -> bool:
    """Whether *text* is meant as a URL rather than as a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def url_problem(url: str) -> str | None:
    """Return why *url* cannot be fetched from; None when it can."""
    try:
        parts = urlsplit(url)
        host, user, _ = parts.hostname, parts.username, parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in ("http", "https"):
        return "it begins with neither https:// nor http://"
    if not host or re.search(r"[\s\x00-\x1f\x7f\ud800-\udfff]", url):
        return "it is not an address"
    if user is not None:
        return "a user name or key does not belong in it"
    return None
