"""The backend as a project's settings describe it."""

import os
import re
from collections.abc import Mapping
from typing import Any

from comfypipe.backends.comfyicu.address import ApiAddress, check_workflow_id, read_address
from comfypipe.backends.comfyicu.backend import ComfyICUBackend
from comfypipe.backends.comfyicu.receiver import WebhookReceiver
from comfypipe.backends.comfyicu.staging import SIGNED_S, SignedStore
from comfypipe.diagnostics import did_you_mean
from comfypipe.downloads.guard import AddressPolicy
from comfypipe.errors import DownloadRefused, UsageError
from comfypipe.project import ProjectLayout

KEY_VARIABLE = "COMFYICU_API_KEY"
"""Environment variable of the key, where the settings name no other."""

_SETTINGS = (
    "workflow_id",
    "key_env",
    "key",
    "block",
    "staging",
    "staging_options",
    "staging_signed_s",
    "webhook_url",
    "webhook_listen",
    "webhook_secret_env",
    "allow_origins",
)


def create(url: str, settings: Mapping[str, Any], layout: ProjectLayout) -> ComfyICUBackend:
    """
    Open the backend for ``comfyicu:``, ``comfyicu+https:`` and ``comfyicu+http:`` URLs.

    Args:
        settings: ``workflow_id``; ``key_env``, the environment variable of the key; ``staging`` with
            ``staging_options`` and ``staging_signed_s``; ``webhook_url`` with ``webhook_listen`` and
            ``webhook_secret_env``; ``allow_origins``. ``key`` comes from a Prefect block, never from a file.

    Raises:
        UsageError: A setting that there is not, or a value that it cannot have.
    """
    del layout
    for name in settings:
        if name not in _SETTINGS:
            hint = did_you_mean(name, _SETTINGS) or f"settings are {', '.join(_SETTINGS)}"
            raise UsageError(f'the backend {url} has no setting "{name}"', hint=hint)
    address = read_address(url)
    named = settings.get("workflow_id")
    return ComfyICUBackend(
        address,
        key=_key(settings, address),
        workflow_id=None if named is None else check_workflow_id(named),
        staging=_staging(settings),
        receiver=_receiver(settings),
        policy=_policy(settings),
    )


def _key(settings: Mapping[str, Any], address: ApiAddress) -> str | None:
    variable = _text(settings, "key_env") or KEY_VARIABLE
    key = _text(settings, "key") or os.environ.get(variable) or None
    if key is None:
        if "key_env" in settings or "block" in settings:
            where = f"set {variable}" + ("; the block is read by flows" if "block" in settings else "")
            raise UsageError(f"there is no key for {address.shown}", hint=where)
        return None
    if not re.fullmatch(r"[!-~]+", key):
        raise UsageError(f"what {variable} holds is no key", hint="a key is made of visible ASCII characters")
    return key


def _staging(settings: Mapping[str, Any]) -> SignedStore | None:
    location = _text(settings, "staging")
    if location is None:
        return None
    options, signed_s = settings.get("staging_options", {}), settings.get("staging_signed_s", SIGNED_S)
    if not isinstance(options, Mapping):
        raise UsageError("staging_options takes a table", hint='such as {endpoint_url = "https://…"}')
    if isinstance(signed_s, bool) or not isinstance(signed_s, int) or signed_s < 60:
        raise UsageError(f"staging_signed_s takes seconds from 60 on, not {signed_s!r}")
    return SignedStore(location, options, signed_s=signed_s)


def _receiver(settings: Mapping[str, Any]) -> WebhookReceiver | None:
    url, listen = _text(settings, "webhook_url"), _text(settings, "webhook_listen")
    if (url is None) != (listen is None):
        raise UsageError("webhook_url and webhook_listen go together: where it is called, and where that arrives")
    if url is None or listen is None:
        return None
    if not re.match(r"https?://[^/]", url):
        raise UsageError(f"webhook_url takes a URL, not {url!r}")
    variable = _text(settings, "webhook_secret_env")
    secret = os.environ.get(variable) if variable else None
    if variable and not secret:
        raise UsageError(f"{variable} holds no secret", hint="it is the endpoint's, whsec_…")
    return WebhookReceiver(url, listen, secret=secret)


def _policy(settings: Mapping[str, Any]) -> AddressPolicy:
    origins = settings.get("allow_origins", ())
    if not isinstance(origins, list | tuple) or not all(isinstance(each, str) for each in origins):
        raise UsageError("allow_origins takes a list of origins", hint='such as ["http://127.0.0.1:9000"]')
    try:
        return AddressPolicy(frozenset(origins))
    except DownloadRefused as error:
        raise UsageError(f"allow_origins: {error.message}", hint=error.hint) from None


def _text(settings: Mapping[str, Any], name: str) -> str | None:
    value = settings.get(name)
    if value is not None and (not isinstance(value, str) or not value):
        raise UsageError(f"{name} takes text")
    return value
