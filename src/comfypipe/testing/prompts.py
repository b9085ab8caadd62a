"""Prompts to test with, made of core nodes that need no model."""

from uuid import uuid4

from comfypipe._types import JSON, JSONObject


def node(class_type: str, /, **inputs: JSON) -> JSONObject:
    """Return one node in API format; a link is ``["1", 0]``."""
    return {"class_type": class_type, "inputs": inputs}


def picture_prompt(colour: int, *, width: int = 16, height: int = 8, prefix: str | None = None) -> JSONObject:
    """
    Return a prompt that saves a picture of one colour; its output node is ``"2"``.

    Args:
        colour: ``0xRRGGBB``.
        prefix: Of the file's name; one that nobody else has where nothing is said.
    """
    return {
        "1": node("EmptyImage", width=width, height=height, batch_size=1, color=colour),
        "2": node("SaveImage", images=["1", 0], filename_prefix=prefix or unique_prefix()),
    }


def slow_prompt(nodes: int = 200) -> JSONObject:
    """Return a prompt that takes long: a chain of large blurs, none of which any cache can know."""
    chain = {str(2 + index): _blur(str(1 + index)) for index in range(nodes)}
    start = node("EmptyImage", width=1024, height=1024, batch_size=1, color=uuid4().int % 0xFFFFFF)
    end = node("SaveImage", images=[str(1 + nodes), 0], filename_prefix=unique_prefix())
    return {"1": start, **chain, "save": end}


def unique_prefix() -> str:
    """Return a file name prefix that nobody used before."""
    return f"contract/{uuid4().hex}"


def _blur(source: str) -> JSONObject:
    return node("ImageBlur", image=[source, 0], blur_radius=31, sigma=10.0)
