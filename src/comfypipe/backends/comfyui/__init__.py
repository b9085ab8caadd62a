"""ComfyUI servers, over their own HTTP and WebSocket protocol."""

from comfypipe.backends.comfyui.backend import ComfyUIBackend, create

__all__ = ["ComfyUIBackend", "create"]
