"""Aliases for JSON values, shared by every layer."""

from typing import Any, TypeAlias

JSON: TypeAlias = Any
"""A value that ``json`` can read and write. Narrow it before use: it often comes from outside."""

JSONObject: TypeAlias = dict[str, Any]
"""A JSON object."""
