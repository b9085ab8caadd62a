"""The repository's own workflows that need a model, typed with ``--backend simulate:``."""

from pathlib import Path

import pytest
from PIL import Image
from tests.cli.conftest import Type


@pytest.mark.parametrize(
    ("workflow", "inputs", "size"),
    [
        ("text_to_image", ("-i", "width=256", "-i", "height=320"), (256, 320)),
        ("image_to_image_lora", (), (880, 1176)),
        ("upscale", ("-i", "factor=1"), (720, 960)),
    ],
)
def test_pictures(examples: Path, typed: Type, workflow: str, inputs: tuple[str, ...], size: tuple[int, int]) -> None:
    """Each gives a picture of the right size that says that it is simulated; so does its record."""
    result = typed("run", workflow, *inputs, "--backend", "simulate:", "--out", "out", "--json")
    assert (0, True) == (result.status, result.document["simulated"])
    (path,) = (examples / "out").glob("*.png")
    with Image.open(path) as picture:
        assert (size, True) == (picture.size, "simulated" in picture.info)


def test_a_video(examples: Path, typed: Type) -> None:
    """The export that manifests bind to runs too, with its frames."""
    import av

    result = typed("run", "image_to_video", "-i", "frames=3", "--backend", "simulate:", "--out", "out")
    assert 0 == result.status
    (path,) = (examples / "out").glob("*.mp4")
    with av.open(path) as container:
        assert (3, True) == (len(list(container.decode(video=0))), "simulated" in container.metadata)


def test_what_is_simulated_is_never_taken_for_real(examples: Path, typed: Type) -> None:
    """The store answers a simulated run again, and no other."""
    line = ("run", "upscale", "-i", "factor=1", "--json")
    assert [False, True] == [typed(*line, "--backend", "simulate:").document["cached"] for _ in range(2)]
    assert 3 == typed(*line).status


def test_a_model_that_the_manifest_lacks(examples: Path, typed: Type) -> None:
    """The line to add is said; exit status 3."""
    manifest = examples / "manifests" / "upscale.yaml"
    manifest.write_text(manifest.read_text().replace("RealESRGAN_x4plus.safetensors", "Other.safetensors"))
    result = typed("run", "upscale", "--backend", "simulate:")
    assert 3 == result.status
    assert "the manifest does not declare the model models/upscale_models/RealESRGAN_x4plus.safetensors" in result.err
    assert "hint: add to models in the manifest: - path: models/upscale_models/RealESRGAN_x4plus" in result.err
