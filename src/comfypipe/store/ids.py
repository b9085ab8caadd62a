"""Names of runs, jobs and attempts."""

import hashlib
import secrets
import uuid

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no letter that reads like a digit, in the order in which it sorts."""

_EPOCH_MS = 1_704_067_200_000
"""2024-01-01: eight digits then last until 2058."""

_NAMESPACE = uuid.UUID("6f6e8f5c-51a3-4d5c-9b8e-5d0f3c1a7e42").bytes


def new_run_id(now_ms: int) -> str:
    """
    Return a name of 16 characters for a run: eight of time, so that runs sort by age, and eight drawn at random.

    A batch begins dozens of runs within a millisecond, thousands of times: with four, two of 100,000 had one name.
    """
    return _encode(max(0, now_ms - _EPOCH_MS), 8) + _encode(secrets.randbits(40), 8)


def job_id(run_id: str, step: str, item: int | None, digest: str) -> str:
    """Return the name of a job; the same run asks for the same job under the same name again when it is resumed."""
    return _uuid5(f"{run_id}/{step}/{'' if item is None else item}/{digest}")


def prompt_id(job: str, number: int) -> str:
    """Return the name of an attempt at a job: a canonical lowercase UUID, as servers ask for."""
    return _uuid5(f"{job}/{number}")


def _uuid5(name: str) -> str:
    """Return ``str(uuid.uuid5(_NAMESPACE, name))``, in a fifth of its time: each job is named several times over."""
    digits = hashlib.sha1(_NAMESPACE + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def _encode(value: int, digits: int) -> str:
    return "".join(_ALPHABET[(value >> 5 * place) & 31] for place in reversed(range(digits)))
