"""Keys for servers that give files to their users only: sent in a header, to their own hosts, and nowhere else."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from comfypipe.downloads.urls import Location
from comfypipe.errors import DownloadRefused

ORIGINS: Mapping[str, frozenset[str]] = {
    "HF_TOKEN": frozenset({"https://huggingface.co:443", "https://hf.co:443"}),
    "CIVITAI_API_TOKEN": frozenset({"https://civitai.com:443", "https://www.civitai.com:443"}),
}
"""By environment variable, as Hugging Face and Civitai name them, where its value may be sent."""


@dataclass(frozen=True, slots=True)
class Token:
    """
    A key.

    Attributes:
        name: The environment variable that it came from, for messages.
        value: Never shown.
        origins: Where it may be sent.
    """

    name: str
    value: str = field(repr=False)
    origins: frozenset[str]

    @property
    def header(self) -> dict[str, str]:
        """The header that it is sent in."""
        return {"Authorization": f"Bearer {self.value}"}


@dataclass(frozen=True, slots=True)
class Credentials:
    """The keys that there are."""

    tokens: tuple[Token, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Credentials":
        """
        Return the keys that are set in the environment.

        Raises:
            DownloadRefused: One of them is none.
        """
        found = {name: environment.get(name, "").strip() for name in ORIGINS}
        for name, value in found.items():
            if not (value.isascii() and value.isprintable()) or " " in value:
                raise DownloadRefused(f"{name} holds signs that no key has", hint="set it again, on one line")
        return cls(tuple(Token(name, value, ORIGINS[name]) for name, value in found.items() if value))

    def token_for(self, location: Location) -> Token | None:
        """Return the key for the host of a URL, where there is one."""
        return next((token for token in self.tokens if location.origin in token.origins), None)


def missing_key(location: Location) -> str | None:
    """Return the name of the environment variable whose key a host takes; None when it takes none that we know."""
    return next((name for name, origins in ORIGINS.items() if location.origin in origins), None)
