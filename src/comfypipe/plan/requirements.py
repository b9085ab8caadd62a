"""What a server lacks of what a manifest declares, with where to get it."""

import msgspec

from comfypipe.manifest.schema import CustomNodeSpec, ModelSpec, WorkflowSpec
from comfypipe.prompt.validation import MISSING_CLASS, NodeError

_NOT_OFFERED = "value_not_in_list"


def with_sources(error: NodeError, spec: WorkflowSpec) -> NodeError:
    """
    Return *error* with a hint that says where to get what is missing, where the manifest knows.

    A model is known by the name that the node was given. Which package has a class, no manifest says: all are named.
    """
    if error.type == MISSING_CLASS and spec.custom_nodes:
        return msgspec.structs.replace(error, hint=_packages(error.hint, spec.custom_nodes))
    model = missing_model(error, spec)
    return error if model is None else msgspec.structs.replace(error, hint=where_to_get(model))


def missing_model(error: NodeError, spec: WorkflowSpec) -> ModelSpec | None:
    """Return the declared model that *error* is about: a loader names it, and the server does not have it."""
    received = error.extra_info.get("received_value")
    if error.type != _NOT_OFFERED or not isinstance(received, str):
        return None
    name = received.replace("\\", "/")
    return next((model for model in spec.models if model.path.split("/", 2)[-1] == name), None)


def where_to_get(model: ModelSpec) -> str:
    """Return what to do about a model that a server lacks."""
    size = f" ({model.size_bytes / 1e9:.1f} GB)" if model.size_bytes else ""
    source = f", from {model.url}{size}" if model.url else ""
    return f"the server has no {model.path}, which the manifest declares: put it there{source}"


def _packages(hint: str | None, packages: tuple[CustomNodeSpec, ...]) -> str:
    named = ", ".join(_package(each) for each in packages)
    install = f"the manifest declares custom nodes, to be installed on the server: {named}"
    return f"{hint}; or {install}" if hint and hint.startswith("did you mean") else install


def _package(package: CustomNodeSpec) -> str:
    version = f" {package.version}" if package.version else ""
    source = f" from {package.url}" if package.url else ""
    return f"{package.id}{version}{source}"
