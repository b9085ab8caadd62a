"""Texts that pictures, videos and sounds carry in their containers: ComfyUI keeps prompt and workflow there."""

from comfypipe.importing.embedded.texts import embedded_texts

__all__ = ["embedded_texts"]
