"""WanCameraEmbedding: camera movements for Wan. Source: ComfyUI ``nodes_camera_trajectory`` (0.3.64)."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from comfypipe.engine.camera import MOVEMENTS, Lens, camera_embedding
from comfypipe.engine.registry import NodeClass, combo, integer, number, outputs


def embed(
    camera_pose: str,
    width: int,
    height: int,
    length: int,
    speed: float = 1.0,
    fx: float = 0.5,
    fy: float = 0.5,
    cx: float = 0.5,
    cy: float = 0.5,
) -> tuple[NDArray[np.float32], int, int, int]:
    """
    Make the rays of a moving camera, and pass on the size.

    Raises:
        KeyError: There is no such movement.
        RuntimeError: The length is not a multiple of four and one more.
    """
    if camera_pose not in MOVEMENTS:
        raise KeyError(f"camera_pose: {camera_pose!r}, expected one of {', '.join(MOVEMENTS)}")
    lens = Lens(fx, fy, cx, cy)
    return camera_embedding(MOVEMENTS[camera_pose], width, height, length, speed, lens), width, height, length


_SHARE = number(0.5, 0, 1, step=0.01)
_FOCAL = number(0.5, 0, 1, step=1e-09)

NODES: tuple[NodeClass, ...] = (
    NodeClass(
        "WanCameraEmbedding",
        embed,
        {
            "camera_pose": combo(*MOVEMENTS, default="Static"),
            "width": integer(832, 16, 16384, step=16),
            "height": integer(480, 16, 16384, step=16),
            "length": integer(81, 1, 16384, step=4),
            "speed": replace(number(1.0, 0, 10.0, step=0.1), optional=True),
            "fx": replace(_FOCAL, optional=True),
            "fy": replace(_FOCAL, optional=True),
            "cx": replace(_SHARE, optional=True),
            "cy": replace(_SHARE, optional=True),
        },
        outputs("WAN_CAMERA_EMBEDDING", "INT", "INT", "INT", names=("camera_embedding", "width", "height", "length")),
        schema="v3",
        category="camera",
        description="Makes the rays of a moving camera, for Wan.",
        module="comfy_extras.nodes_camera_trajectory",
    ),
)
