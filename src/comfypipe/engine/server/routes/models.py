"""``/models`` and ``/embeddings``: model files, as far as somebody put any below ``models``."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from comfypipe.engine.server.access import state_of
from comfypipe.engine.server.encoding import JSONReply

MODEL_FOLDERS = (
    "checkpoints",
    "configs",
    "loras",
    "vae",
    "text_encoders",
    "diffusion_models",
    "clip_vision",
    "style_models",
    "embeddings",
    "diffusers",
    "vae_approx",
    "controlnet",
    "gligen",
    "upscale_models",
    "custom_nodes",
    "hypernetworks",
    "photomaker",
    "classifiers",
    "model_patches",
    "audio_encoders",
)
"""Names of ComfyUI's folders of models."""


async def model_folders(_request: Request) -> Response:
    """Return the names of the folders."""
    return JSONReply(list(MODEL_FOLDERS))


async def models(request: Request) -> Response:
    """Return the files of one folder; 404 for an unknown one."""
    folder = request.path_params["folder"]
    if folder not in MODEL_FOLDERS:
        return Response(status_code=404)
    return JSONReply(_files(_models(request) / folder))


async def embeddings(request: Request) -> Response:
    """Return the names of the embeddings, without suffix."""
    return JSONReply([name.rpartition(".")[0] for name in _files(_models(request) / "embeddings")])


def _models(request: Request) -> Path:
    return state_of(request).engine.folders.input.parent / "models"


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob("**/*") if path.is_file())


ROUTES = (
    Route("/models", model_folders, methods=["GET"]),
    Route("/models/{folder}", models, methods=["GET"]),
    Route("/embeddings", embeddings, methods=["GET"]),
)
