"""URLs of files that open without a key: whoever was given one has it, nobody can make one up."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from comfypipe.service.secret_files import secret_in

BASE_PATH = "/api/v1"
_SIGNATURE_BYTES = 18


@dataclass(frozen=True, slots=True)
class FileLink:
    """
    What a URL of ours leads to.

    Attributes:
        kind: ``outputs``, ``thumbnails`` or ``uploads``.
        owner: Id of the run, or of the upload.
        position: Which of the run's files.
    """

    kind: str
    owner: str
    position: int = 0


class Links:
    """
    Makes and checks URLs of files.

    Args:
        secret: What they are signed with.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def path(self, link: FileLink, filename: str) -> str:
        """Return the path of a file's URL, from the host on."""
        named = quote(filename.encode("utf-8", "replace"), safe="")
        return f"{BASE_PATH}/{link.kind}/{link.owner}/{link.position}/{self.signature(link)}/{named}"

    def signature(self, link: FileLink) -> str:
        """Return what only this service can say of a file."""
        text = f"{link.kind}/{link.owner}/{link.position}"
        digest = hmac.digest(self._secret, text.encode("utf-8", "replace"), "sha256")
        return base64.urlsafe_b64encode(digest[:_SIGNATURE_BYTES]).decode()

    def opens(self, link: FileLink, signature: str) -> bool:
        """Return whether a signature is the file's."""
        return hmac.compare_digest(self.signature(link).encode(), signature.encode("utf-8", "replace"))

    def read(self, url: str) -> tuple[FileLink, str] | None:
        """
        Return what one of our own URLs leads to, with its file's name; None for any other URL.

        Whatever host it names: services have several names, and the signature says that it is ours.
        """
        pieces = urlsplit(url).path.removeprefix(f"{BASE_PATH}/").split("/")
        if len(pieces) != 5 or not pieces[2].isdecimal() or not pieces[2].isascii() or len(pieces[2]) > 6:
            return None
        link = FileLink(pieces[0], pieces[1], int(pieces[2]))
        return (link, unquote(pieces[4])) if self.opens(link, pieces[3]) else None


def load_secret(path: Path) -> bytes:
    """
    Return the secret that is kept at *path*, made at the first call and readable by its owner alone.

    Raises:
        StoreError: It cannot be read or made.
    """
    return hashlib.sha256(secret_in(path)).digest()
