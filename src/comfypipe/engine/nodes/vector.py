"""SaveSVGNode: vector pictures. Source: ComfyUI ``nodes_images`` (0.3.64)."""

from comfypipe.engine.registry import Context, NodeClass, Result, required
from comfypipe.engine.saving import save_location, written
from comfypipe.engine.vector import Svg, with_metadata


def save_svg(svg: Svg, filename_prefix: str, context: Context) -> Result:
    """
    Save each vector picture below ``output``; the prompt and what came with it stand in its ``metadata``.

    Raises:
        TypeError: It is no vector picture.
    """
    if not isinstance(svg, Svg):
        raise TypeError(f"svg: expected vector pictures, got {type(svg).__name__}")
    location = save_location(filename_prefix, context.folders.output)
    metadata = {"prompt": context.prompt, **context.extra_pnginfo}
    saved = []
    for index, picture in enumerate(svg.pictures):
        name = location.name("svg", index)
        with written(location.folder / name) as path:
            path.write_text(with_metadata(picture, metadata), encoding="utf-8", newline="")
        saved.append({"filename": name, "subfolder": location.subfolder, "type": "output"})
    return Result(ui={"images": saved})


NODES: tuple[NodeClass, ...] = (
    NodeClass(
        "SaveSVGNode",
        save_svg,
        {
            "svg": required("SVG"),
            "filename_prefix": required("STRING", default="svg/ComfyUI", tooltip="How file names begin."),
        },
        (),
        output_node=True,
        category="image/save",
        description="Writes vector pictures to files.",
        module="comfy_extras.nodes_images",
        hidden={"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
    ),
)
