"""The documentation's own client, unchanged, against the service."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from tests.service.client import served
from tests.service.documented_client import Settings, poll_run_status, receiving, run_workflow
from tests.service.hosting import hosting
from tests.service.keys import make_keys
from tests.service.materials import jpeg, mp4, safetensors

from comfypipe.service.settings import ServiceSettings

WORKFLOW_ID = "Xk1cVRVpmJ0sJ1wa_s1YZ"
PROMPT = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15.safetensors"}},
    "43": {
        "class_type": "LoraLoader",
        "inputs": {
            "clip": ["4", 1],
            "model": ["4", 0],
            "lora_name": "thickline_fp16.safetensors",
            "strength_clip": 1,
            "strength_model": 1,
        },
    },
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a lighthouse", "clip": ["43", 1]}},
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["43", 0],
            "positive": ["6", 0],
            "negative": ["6", 0],
            "latent_image": ["5", 0],
            "seed": 7,
            "steps": 2,
            "cfg": 7.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1.0,
        },
    },
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "ComfyUI"}},
    "45": {
        "_meta": {"title": "Load Image"},
        "inputs": {"image": "image1.jpg", "upload": "image"},
        "class_type": "LoadImage",
    },
    "46": {"inputs": {"image": "image2.jpg", "upload": "image"}, "class_type": "LoadImage"},
    "47": {
        "class_type": "ImageBlend",
        "inputs": {"image1": ["45", 0], "image2": ["46", 0], "blend_factor": 0.5, "blend_mode": "normal"},
    },
    "48": {"class_type": "PreviewImage", "inputs": {"images": ["47", 0]}},
    "49": {"class_type": "SaveImage", "inputs": {"images": ["47", 0], "filename_prefix": "blend"}},
    "50": {"class_type": "LoadVideo", "inputs": {"file": "video.mp4"}},
    "51": {
        "class_type": "SaveVideo",
        "inputs": {"video": ["50", 0], "filename_prefix": "video/again", "format": "auto", "codec": "auto"},
    },
}


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    """Return settings of a service with keys, that simulates."""
    return ServiceSettings(tmp_path / "service", backend="simulate:")


def test_the_documented_client_works_unchanged(settings: ServiceSettings) -> None:
    """
    Create, poll and webhooks, with images, a video, a LoRA and an accelerator.

    Only the base URL and the delay are others than in the documentation.
    """
    files = {"image1.jpg": jpeg(), "image2.jpg": jpeg((200, 0, 0)), "video.mp4": mp4(), "lora": safetensors()}
    key = make_keys(settings, "acme")[0]
    with hosting(files) as host, receiving() as receiver:
        parts = urlsplit(receiver.url)
        allowed = frozenset({host.origin, f"{parts.scheme}://{parts.netloc}"})
        with served(ServiceSettings(settings.data, backend="simulate:", allow_origins=allowed)) as client:
            documented = Settings(client.base_url, key, delay_s=0.2)
            body = {
                "workflow_id": WORKFLOW_ID,
                "prompt": PROMPT,
                "files": {
                    "/input/image1.jpg": host.url("image1.jpg"),
                    "/input/image2.jpg": host.url("image2.jpg"),
                    "/input/video.mp4": host.url("video.mp4"),
                    "/models/loras/thickline_fp16.safetensors": host.url("lora") + "?type=Model&format=SafeTensor",
                },
                "webhook": receiver.url,
                "accelerator": "A100_40GB",
            }
            run = run_workflow(documented, body)
            assert ["id"] == list(run)
            final = poll_run_status(documented, WORKFLOW_ID, run["id"])
            assert "COMPLETED" == final["status"], final["output"]
            told = receiver.wait_for(2)
            names = {each["filename"].rsplit("/", 1)[-1] for each in final["output"]}
            sizes = [len(requests.get(each["url"], timeout=30).content) for each in final["output"]]
    assert {"ComfyUI_00001_.png", "blend_00001_.png", "again_00001_.mp4"} == names
    assert all(sizes)
    assert ["STARTED", "COMPLETED"] == [each["status"] for each in told]
    assert final == told[-1]
    assert ("A100_40GB", {"image1.jpg", "image2.jpg", "video.mp4", "lora"}) == (final["accelerator"], set(host.asked))


def test_a_key_is_needed_and_errors_have_the_apis_shape(settings: ServiceSettings) -> None:
    """Without a key, or with a wrong one, the documented client gets `error` and `message`."""
    with served(settings) as client:
        replies = [
            run_workflow(Settings(client.base_url, key), {"workflow_id": "w", "prompt": {}}) for key in ("", "x")
        ]
    assert [{"error", "message"}] * 2 == [set(each) for each in replies]


def test_another_tenants_run_is_unknown(settings: ServiceSettings) -> None:
    """A run of one tenant answers the other the same 404 as one that does not exist."""
    mine, yours = make_keys(settings, "mine", "yours")
    with served(settings) as client:
        run = run_workflow(Settings(client.base_url, mine), {"workflow_id": "w", "prompt": PROMPT_OF_NOTHING})
        replies = [
            requests.get(
                f"{client.base_url}/workflows/w/runs/{run_id}", headers={"authorization": f"Bearer {yours}"}, timeout=30
            )
            for run_id in (run["id"], "doesnotexist")
        ]
    assert [404, 404] == [each.status_code for each in replies]
    assert replies[0].json() == replies[1].json()


PROMPT_OF_NOTHING = {"1": {"class_type": "PreviewAny", "inputs": {"source": "x"}}}
