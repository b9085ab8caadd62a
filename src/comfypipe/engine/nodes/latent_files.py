"""Nodes that save and load latents. Source: ComfyUI ``nodes.py`` (0.3.64)."""

from comfypipe.engine.latents.files import read_latent, write_latent
from comfypipe.engine.latents.value import Latent, samples_of
from comfypipe.engine.loading import file_digest, is_file, resolve_file
from comfypipe.engine.media import metadata_tags
from comfypipe.engine.registry import Context, Folders, NodeClass, Result, files, outputs, required
from comfypipe.engine.saving import save_location, written


def save_latent(samples: Latent, filename_prefix: str, context: Context) -> Result:
    """
    Save a latent; a noise mask is not saved.

    Raises:
        ValueError: There are no samples.
    """
    location = save_location(filename_prefix, context.folders.output)
    name = location.name("latent")
    with written(location.folder / name) as path:
        write_latent(path, samples_of(samples, "samples"), metadata_tags(context.prompt, context.extra_pnginfo))
    return Result(ui={"latents": [{"filename": name, "subfolder": location.subfolder, "type": "output"}]})


def load_latent(latent: str, context: Context) -> tuple[Latent]:
    """
    Load a latent.

    Raises:
        ValueError: The file holds none.
    """
    return ({"samples": read_latent(resolve_file(latent, context.folders))},)


def _check_file(latent: str, folders: Folders) -> str | None:
    return None if is_file(latent, folders) else f"Invalid latent file: {latent}"


def _fingerprint(latent: str, folders: Folders) -> str:
    return file_digest(resolve_file(latent, folders))


NODES: tuple[NodeClass, ...] = (
    NodeClass(
        "SaveLatent",
        save_latent,
        {"samples": required("LATENT"), "filename_prefix": required("STRING", default="latents/ComfyUI")},
        (),
        output_node=True,
        category="_for_testing",
        description="Save a latent; a noise mask is not saved.",
        hidden={"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
    ),
    NodeClass(
        "LoadLatent",
        load_latent,
        {"latent": files("", ".latent")},
        outputs("LATENT"),
        category="_for_testing",
        description="Load a latent.",
        validate=_check_file,
        fingerprint=_fingerprint,
    ),
)
