"""Which loader nodes take model files, and from which folder below ``models/``."""

from collections.abc import Mapping
from typing import Final

from comfypipe._types import JSON

_BY_CLASS: Final[Mapping[tuple[str, str], str]] = {
    ("CLIPVisionLoader", "clip_name"): "clip_vision",
    ("UpscaleModelLoader", "model_name"): "upscale_models",
    ("LatentUpscaleModelLoader", "model_name"): "latent_upscale_models",
    ("ModelPatchLoader", "name"): "model_patches",
    ("HypernetworkLoader", "hypernetwork_name"): "hypernetworks",
    ("LoadMoGeModel", "model_name"): "geometry_estimation",
    ("LoadDA3Model", "model_name"): "geometry_estimation",
    ("LoadBackgroundRemovalModel", "model_name"): "background_removal",
    ("FrameInterpolationModelLoader", "model_name"): "frame_interpolation",
    ("OpticalFlowLoader", "model_name"): "optical_flow",
    ("LTXAVTextEncoderLoader", "text_encoder"): "text_encoders",
}
_BY_INPUT: Final[Mapping[str, str]] = {
    "ckpt_name": "checkpoints",
    "unet_name": "diffusion_models",
    "vae_name": "vae",
    "clip_name": "text_encoders",
    "clip_name1": "text_encoders",
    "clip_name2": "text_encoders",
    "clip_name3": "text_encoders",
    "clip_name4": "text_encoders",
    "lora_name": "loras",
    "control_net_name": "controlnet",
    "style_model_name": "style_models",
    "gligen_name": "gligen",
    "photomaker_model_name": "photomaker",
    "audio_encoder_name": "audio_encoders",
    "hypernetwork_name": "hypernetworks",
}
_SUFFIXES: Final = (".safetensors", ".sft", ".ckpt", ".pt", ".pt2", ".pth", ".bin", ".gguf", ".onnx", ".pkl")


def model_folder(class_type: str, input_name: str, value: JSON) -> str | None:
    """
    Return the folder below ``models/`` that an input names a file of, or None where *value* names no model.

    Source: ComfyUI ``folder_paths.py`` and the loaders in ``nodes.py`` and ``comfy_extras`` (0.3.64), and the
    ``models`` lists of the official templates.
    """
    if not isinstance(value, str) or not value.lower().endswith(_SUFFIXES):
        return None
    if any(part in ("", ".", "..") for part in value.replace("\\", "/").split("/")) or ":" in value:
        return None  # it leads elsewhere
    return _BY_CLASS.get((class_type, input_name)) or _BY_INPUT.get(input_name)
