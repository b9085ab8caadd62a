"""
The embedded engine: executes prompts of model-free nodes in this process.

For nodes of your own: ``@comfypipe.engine.node(...)``, and the types that their parameters have. They are loaded when
they are first used: what only checks prompts needs no pixels.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from comfypipe.engine.custom import Audio as Audio
    from comfypipe.engine.custom import Image as Image
    from comfypipe.engine.custom import Latent as Latent
    from comfypipe.engine.custom import Mask as Mask
    from comfypipe.engine.custom import Svg as Svg
    from comfypipe.engine.custom import Video as Video
    from comfypipe.engine.custom import node as node
    from comfypipe.engine.registry import NodeClass as NodeClass
    from comfypipe.engine.registry import Result as Result

__all__ = ["Audio", "Image", "Latent", "Mask", "NodeClass", "Result", "Svg", "Video", "node"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "registry" if name in ("NodeClass", "Result") else "custom"
    return getattr(import_module(f"comfypipe.engine.{module}"), name)
