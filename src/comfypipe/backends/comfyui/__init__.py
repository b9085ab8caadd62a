"""ComfyUI servers, over their own HTTP and WebSocket protocol."""

from comfypipe.backends.comfyui.backend import ComfyUIBackend
from comfypipe.backends.comfyui.settings import create

__all__ = ["ComfyUIBackend", "create"]
