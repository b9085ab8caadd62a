"""A ComfyUI server as the project's settings describe it."""

import ssl
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from comfypipe.backends.comfyui.backend import ComfyUIBackend
from comfypipe.backends.comfyui.watch import Timing
from comfypipe.backends.http import MAX_OUTPUT_BYTES
from comfypipe.diagnostics import did_you_mean
from comfypipe.errors import UsageError
from comfypipe.project import ProjectLayout

_TIMES = tuple(each.name for each in fields(Timing))
_SETTINGS = ("headers", "ca_file", "max_output_bytes", *_TIMES)


def create(url: str, settings: Mapping[str, Any], layout: ProjectLayout) -> ComfyUIBackend:
    """
    Open the backend for an ``http://`` or ``https://`` URL.

    Args:
        settings: ``headers``; ``ca_file``, a file of certificates that are trusted, relative to the project;
            ``max_output_bytes``; the fields of `Timing`.

    Raises:
        UsageError: The settings, or the URL, are wrong.
    """
    for key in settings.keys() - set(_SETTINGS):
        hint = did_you_mean(key, _SETTINGS) or f"it takes {', '.join(_SETTINGS)}"
        raise UsageError(f"the backend {url} takes no setting {key}", hint=hint)
    return ComfyUIBackend(
        url,
        headers=_headers(url, settings.get("headers", {})),
        timing=Timing(**{key: _number(url, key, settings[key]) for key in _TIMES if key in settings}),
        tls=_tls(url, settings["ca_file"], layout) if "ca_file" in settings else None,
        max_output_bytes=int(_number(url, "max_output_bytes", settings.get("max_output_bytes", MAX_OUTPUT_BYTES))),
        keep=layout.state / "offers",
    )


def _headers(url: str, given: object) -> Mapping[str, str]:
    if not isinstance(given, Mapping) or not all(isinstance(each, str) for each in given.values()):
        raise UsageError(f"headers of the backend {url} takes a table of texts", hint='such as {X-Token = "…"}')
    return given


def _number(url: str, key: str, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        raise UsageError(f"{key} of the backend {url} takes a number above 0")
    return value


def _tls(url: str, ca_file: object, layout: ProjectLayout) -> ssl.SSLContext:
    path = layout.root / Path(str(ca_file)).expanduser()
    try:
        return ssl.create_default_context(cafile=str(path))
    except OSError as error:  # ssl.SSLError is one
        raise UsageError(
            f"ca_file of the backend {url} cannot be used: {path}: {error.strerror or error}",
            hint="it takes a file of certificates in PEM form",
        ) from error
