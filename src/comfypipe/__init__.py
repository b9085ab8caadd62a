"""
Workflow-as-code for ComfyUI, on Prefect.

The public names are loaded when they are first used, so that importing the package costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from comfypipe import errors as errors
    from comfypipe.errors import ComfypipeError as ComfypipeError
    from comfypipe.execution.project import Project as Project
    from comfypipe.execution.records import Output as Output
    from comfypipe.execution.records import Run as Run
    from comfypipe.orchestration.flows import flow as flow

    __version__: str

_PLACES = {
    "ComfypipeError": "comfypipe.errors",
    "Output": "comfypipe.execution.records",
    "Project": "comfypipe.execution.project",
    "Run": "comfypipe.execution.records",
    "flow": "comfypipe.orchestration.flows",
}
"""By public name, the module that has it."""

__all__ = ["ComfypipeError", "Output", "Project", "Run", "__version__", "errors", "flow"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    if name == "errors":
        return import_module("comfypipe.errors")
    if name == "__version__":
        from importlib.metadata import version

        return version("comfypipe")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
