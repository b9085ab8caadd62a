"""Runs APIs: ComfyICU's, and that of our own service."""

from comfypipe.backends.comfyicu.backend import ComfyICUBackend
from comfypipe.backends.comfyicu.settings import create

__all__ = ["ComfyICUBackend", "create"]
