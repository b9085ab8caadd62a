"""Names of accelerators, as manifests and the API write them."""

import re
from collections.abc import Sequence

COMFYICU = ("T4", "L4", "A10", "L40S", "A100_40GB", "A100_80GB", "H100")
"""Those that ComfyICU has had. Source: its API documentation, and its later price lists."""


def known_accelerators(wanted: Sequence[str], offered: Sequence[str]) -> tuple[str, ...]:
    """Return those *wanted* that are among *offered*, as they are written there, first choice first."""
    by_name = {_plain(each): each for each in offered}
    found = (by_name.get(_plain(each)) for each in wanted)
    return tuple(dict.fromkeys(each for each in found if each is not None))


def name_wanted(wanted: Sequence[str], known: str | None) -> str | None:
    """Return under which name an accelerator was wanted that a runs API knows as *known*."""
    return next((each for each in wanted if known is not None and _plain(each) == _plain(known)), None)


def _plain(name: str) -> str:
    """Return a name without what people write differently: ``a100-80gb`` is ``A100_80GB``."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
