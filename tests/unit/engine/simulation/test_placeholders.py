"""Classes of which only the declaration is known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.engine.simulation.simulated import path_of, pixels_of, simulated, text_to_image

from comfypipe._types import JSON, JSONObject
from comfypipe.engine.outcome import Outcome
from comfypipe.testing import node


def declared(*outputs: str, output_node: bool = False, lists: bool = False, **inputs: JSON) -> JSONObject:
    """Return an entry of a catalog."""
    return {
        "input": {"required": {}, "optional": inputs},
        "output": list(outputs),
        "output_is_list": [lists for _ in outputs],
        "output_name": list(outputs),
        "output_node": output_node,
    }


def picture_of(tmp_path: Path, entry: JSONObject, **inputs: JSON) -> Any:
    """Return the pictures that a class with one output gives."""
    prompt = {
        "photo": node("EmptyImage", width=96, height=64, batch_size=2, color=0xFF0000),
        "made": node("Made", **inputs),
        "save": node("SaveImage", images=["made", 0], filename_prefix="x"),
    }
    return simulated(tmp_path, {"Made": entry}).pictures(prompt)


def test_pictures_have_the_size_of_those_that_came_in(tmp_path: Path) -> None:
    """And as many; they show through."""
    pictures = picture_of(tmp_path, declared("IMAGE", image=["IMAGE"]), image=["photo", 0])
    assert [(64, 96, 3)] * 2 == [each.shape for each in pictures]
    red, green, _ = pictures[0][:20].reshape(-1, 3).mean(axis=0)
    assert red > 2 * green


@pytest.mark.parametrize(
    ("inputs", "size"),
    [
        ({"width": 200, "height": 120}, (120, 200)),
        ({"size": "320x160"}, (160, 320)),
        ({"aspect_ratio": "2:1"}, (512, 1024)),
        ({"aspect_ratio": "0:1"}, (1024, 1024)),
        ({}, (1024, 1024)),
    ],
)
def test_pictures_have_the_size_that_is_asked_for(
    tmp_path: Path, inputs: dict[str, JSON], size: tuple[int, int]
) -> None:
    """In numbers, as text, by proportions; a square where nothing tells."""
    kinds: dict[str, JSON] = {name: ["INT" if isinstance(each, int) else "STRING"] for name, each in inputs.items()}
    (picture,) = picture_of(tmp_path, declared("IMAGE", **kinds), **inputs)
    assert size == picture.shape[:2]


def test_lists_pass_as_lists(tmp_path: Path) -> None:
    """An output that is a list gives one."""
    assert 1 == len(picture_of(tmp_path, declared("IMAGE", lists=True)))


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("INT", "1"),
        ("FLOAT", "1.0"),
        ("BOOLEAN", "True"),
        ("STRING", "simulated text of Made: hello"),
        ("FANCY_TYPE", "simulated FANCY_TYPE of Made"),
        ("COMBO", ""),
    ],
)
def test_plain_values_have_their_type(tmp_path: Path, kind: str, shown: str) -> None:
    """What reads them can go on."""
    prompt = {"made": node("Made", prompt="hello"), "show": node("PreviewAny", source=["made", 0])}
    outcome = simulated(tmp_path, {"Made": declared(kind, prompt=["STRING"])}).run(prompt)
    assert {"show": {"text": (shown,)}} == {key: {"text": tuple(ui["text"])} for key, ui in outcome.outputs.items()}


def test_numbers_go_by_name_then_by_what_came_in(tmp_path: Path) -> None:
    """A side is the picture's, an offset nothing, another number one that came in; a seed is none to go on with."""
    entry = declared("INT", "INT", "INT", image=["IMAGE"], seed=["INT"], count=["INT"])
    entry["output_name"] = ["width", "trim_image", "result"]
    prompt = {
        "photo": node("EmptyImage", width=96, height=64, batch_size=1, color=0),
        "made": node("Made", image=["photo", 0], seed=10**12, count=7),
        **{f"{slot}": node("PreviewAny", source=["made", slot]) for slot in range(3)},
    }
    outcome = simulated(tmp_path, {"Made": entry}).run(prompt)
    assert ["96", "0", "7"] == [outcome.outputs[str(slot)]["text"][0] for slot in range(3)]


def test_types_of_varying_shape_pass_on_what_came_in(tmp_path: Path) -> None:
    """Newer servers declare types that stand for whatever is linked, and inputs under names with a dot."""
    entry = declared("COMFY_MATCHTYPE_V3")
    entry["input"]["required"] = {"values": ["COMFY_AUTOGROW_V3", {}]}
    prompt = {
        "photo": node("EmptyImage", width=96, height=64, batch_size=1, color=0),
        "made": node("Made", **{"values.a": ["photo", 0]}),
        "save": node("SaveImage", images=["made", 0], filename_prefix="x"),
    }
    assert [(64, 96, 3)] == [each.shape for each in simulated(tmp_path, {"Made": entry}).pictures(prompt)]


def test_a_mask_is_a_soft_ellipse(tmp_path: Path) -> None:
    """Of the picture's size, with an inside and an outside."""
    prompt = {
        "photo": node("EmptyImage", width=96, height=64, batch_size=1, color=0),
        "made": node("Made", image=["photo", 0]),
        "grey": node("MaskToImage", mask=["made", 0]),
        "save": node("SaveImage", images=["grey", 0], filename_prefix="x"),
    }
    (mask,) = simulated(tmp_path, {"Made": declared("MASK", image=["IMAGE"])}).pictures(prompt)
    assert ((64, 96, 3), 0, 255) == (mask.shape, mask.min(), mask.max())


def test_a_video_has_the_frames_that_are_asked_for(tmp_path: Path) -> None:
    """Drawn one by one when it is saved, and marked in its tags."""
    import av

    prompt = {
        "made": node("Made", width=64, height=48, num_frames=5),
        "save": node("SaveVideo", video=["made", 0], filename_prefix="v", format="auto", codec="auto"),
    }
    entry = declared("VIDEO", width=["INT"], height=["INT"], num_frames=["INT"])
    (path,) = simulated(tmp_path, {"Made": entry}).files(prompt)
    with av.open(path) as container:
        frames = list(container.decode(video=0))
        assert (5, 64, 48, True) == (
            len(frames), frames[0].width, frames[0].height, "simulated" in container.metadata,
        )  # fmt: skip


def test_sound_has_the_length_that_is_asked_for(tmp_path: Path) -> None:
    """Two and a half seconds, marked in the file's tags."""
    import av

    prompt = {
        "made": node("Made", seconds=2.5),
        "save": node("SaveAudio", audio=["made", 0], filename_prefix="a"),
    }
    outcome = simulated(tmp_path, {"Made": declared("AUDIO", seconds=["FLOAT"])}).run(prompt)
    (entry,) = outcome.outputs["save"]["audio"]
    with av.open(path_of(tmp_path, entry)) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
        assert (round(2.5 * 44100), True) == (samples, "simulated" in container.metadata)


def test_output_nodes_save_what_came_in(tmp_path: Path) -> None:
    """A class that saves in a form of its own saves in one that the engine has."""
    prompt = {
        "photo": node("EmptyImage", width=8, height=8, batch_size=2, color=0),
        "out": node("Out", images=["photo", 0], filename_prefix="mine/x"),
    }
    entry = declared(output_node=True, images=["IMAGE"], filename_prefix=["STRING"])
    outcome = simulated(tmp_path, {"Out": entry}).run(prompt)
    shown = outcome.outputs["out"]["images"]
    assert [(8, 8, 3)] * 2 == [pixels_of(path_of(tmp_path, each)).shape for each in shown]
    assert ["mine"] * 2 == [each["subfolder"] for each in shown]


def test_output_nodes_with_nothing_to_save_say_so(tmp_path: Path) -> None:
    """A text stands where files would."""
    outcome = simulated(tmp_path, {"Out": declared(output_node=True)}).run({"out": node("Out")})
    assert {"out": {"text": ["simulated: Out saved nothing"]}} == outcome.outputs


def test_a_mesh_is_saved_as_gltf(tmp_path: Path) -> None:
    """A tetrahedron that says what it is."""
    prompt = {"mesh": node("Made"), "save": node("SaveGLB", mesh=["mesh", 0], filename_prefix="3d/x")}
    outcome = simulated(tmp_path, {"Made": declared("MESH")}).run(prompt)
    data = path_of(tmp_path, outcome.outputs["save"]["3d"][0]).read_bytes()
    length = int.from_bytes(data[12:16], "little")
    assert (b"glTF", len(data)) == (data[:4], int.from_bytes(data[8:12], "little"))
    assert json.loads(data[20 : 20 + length])["asset"]["extras"]["simulated"] is True


def test_a_vector_picture_is_saved(tmp_path: Path) -> None:
    """As XML that says what it is."""
    prompt = {"svg": node("Made"), "save": node("Out", svg=["svg", 0], filename_prefix="x")}
    catalog = {"Made": declared("SVG"), "Out": declared(output_node=True, svg=["SVG"], filename_prefix=["STRING"])}
    outcome = simulated(tmp_path, catalog).run(prompt)
    assert ">SIMULATED</text>" in path_of(tmp_path, outcome.outputs["save"]["images"][0]).read_text()


@pytest.mark.parametrize(
    ("loader", "class_type", "size", "wanted"),
    [
        ("wan_2.1_vae.safetensors", "WanImageToVideo", (64, 48, 9), (9, 48, 64)),
        ("wan2.2_vae.safetensors", "Wan22ImageToVideoLatent", (64, 64, 9), (9, 64, 64)),
        ("hunyuan_video_vae_bf16.safetensors", "HunyuanImageToVideo", (64, 48, 13), (13, 48, 64)),
        ("ltx-video-2b.safetensors", "LTXVImgToVideo", (96, 64, 17), (17, 64, 96)),
        ("cosmos_cv8x8x8_1.0.safetensors", "CosmosImageToVideoLatent", (64, 48, 17), (17, 48, 64)),
        ("svd.safetensors", "SVD_img2vid_Conditioning", (64, 48, 5), (5, 48, 64)),
    ],
)
def test_videos_have_their_frames(
    tmp_path: Path, loader: str, class_type: str, size: tuple[int, int, int], wanted: tuple[int, int, int]
) -> None:
    """By each family's own rule of frames and cells, from a picture to decoded frames."""
    assert [(*wanted[1:], 3)] * wanted[0] == [
        each.shape for each in simulated(tmp_path).pictures(_video_prompt(loader, class_type, size))
    ]


def _video_prompt(loader: str, class_type: str, size: tuple[int, int, int]) -> JSONObject:
    from comfypipe.engine.simulation.declarations import core_declarations

    declaration = next(each for each in core_declarations() if each.class_type == class_type)
    links: dict[str, JSON] = {
        "CONDITIONING": ["positive", 0], "VAE": ["vae", 0], "IMAGE": ["photo", 0], "CLIP_VISION": ["vision", 0],
        "COMBO": "concat",
    }  # fmt: skip
    values: dict[str, JSON] = {"width": size[0], "height": size[1], "length": size[2], "video_frames": size[2]}
    inputs = {
        name: values.get(name, links.get(str(spec.type), spec.options.get("default")))
        for name, spec in declaration.inputs.items()
        if not spec.optional or spec.type == "IMAGE"
    }
    slot = next(index for index, each in enumerate(declaration.outputs) if each.type == "LATENT")
    prompt = text_to_image()
    prompt["latent"] = node(class_type, **inputs)
    prompt["sample"]["inputs"]["latent_image"] = ["latent", slot]
    prompt["decode"]["inputs"]["vae"] = ["vae", 0]
    return prompt | {
        "vae": node("VAELoader", vae_name=loader),
        "vision": node("CLIPVisionLoader", clip_name="clip_vision_g.safetensors"),
        "photo": node("EmptyImage", width=64, height=64, batch_size=1, color=0xFF0000),
    }


@pytest.mark.parametrize(("name", "scale"), [("RealESRGAN_x2plus.pth", 2), ("4x-UltraSharp.pth", 4), ("some.pth", 4)])
def test_upscalers_enlarge(tmp_path: Path, name: str, scale: int) -> None:
    """By what the model's name tells."""
    prompt = {
        "photo": node("EmptyImage", width=24, height=16, batch_size=1, color=0xFF0000),
        "model": node("UpscaleModelLoader", model_name=name),
        "large": node("ImageUpscaleWithModel", upscale_model=["model", 0], image=["photo", 0]),
        "save": node("SaveImage", images=["large", 0], filename_prefix="x"),
    }
    assert [(16 * scale, 24 * scale, 3)] == [each.shape for each in simulated(tmp_path).pictures(prompt)]


def test_custom_sampling_passes_through(tmp_path: Path) -> None:
    """Noise, guider, sampler and noise levels come from nodes of their own; the seed counts."""
    pictures = [simulated(tmp_path).pictures(_custom(seed))[0] for seed in (1, 2)]
    assert np.abs(pictures[0][:30].astype(int) - pictures[1][:30]).mean() > 2


def test_samplers_of_newer_servers_are_taken(tmp_path: Path) -> None:
    """Which ways of sampling there are is a server's business: nothing is sampled here."""
    prompt = _custom(1)
    prompt["kind"] = node("KSamplerSelect", sampler_name="of_next_year")
    assert 1 == len(simulated(tmp_path).pictures(prompt))


def _custom(seed: int) -> JSONObject:
    prompt = text_to_image()
    return prompt | {
        "noise": node("RandomNoise", noise_seed=seed),
        "guider": node("BasicGuider", model=["model", 0], conditioning=["positive", 0]),
        "kind": node("KSamplerSelect", sampler_name="euler"),
        "sigmas": node("BasicScheduler", model=["model", 0], scheduler="simple", steps=4, denoise=1.0),
        "high": node("SplitSigmas", sigmas=["sigmas", 0], step=2),
        "sample": node(
            "SamplerCustomAdvanced",
            noise=["noise", 0],
            guider=["guider", 0],
            sampler=["kind", 0],
            sigmas=["high", 0],
            latent_image=["latent", 0],
        ),
    }


def test_sound_models_give_sound(tmp_path: Path) -> None:
    """As long as the latent says."""
    prompt = text_to_image()
    prompt["latent"] = node("EmptyLatentAudio", seconds=2.0, batch_size=1)
    prompt["decode"] = node("VAEDecodeAudio", samples=["sample", 0], vae=["model", 2])
    prompt["save"] = node("SaveAudio", audio=["decode", 0], filename_prefix="a")
    outcome: Outcome = simulated(tmp_path).run(prompt)
    assert (True, 1) == (outcome.succeeded, len(outcome.outputs["save"]["audio"]))


def test_official_templates_run(shared: Path, tmp_path: Path) -> None:
    """Those of a kind each, with a server's catalog: none of them fails."""
    folder = shared / "ui2api"
    names = ("hiresfix_latent_workflow", "sd3.5_simple_example", "audio_ace_step_1_t2a_instrumentals")
    paths = [folder / "tmpl0195" / f"{name}.api.json" for name in names]
    if not all(path.is_file() for path in paths):
        pytest.skip("needs the recorded templates")
    catalog = json.loads((folder / "object_info.json").read_bytes())
    for path in paths:
        prompt = json.loads(path.read_bytes())
        for each in prompt.values():  # small, and quick
            each["inputs"] |= {
                name: most
                for name, most in (("width", 128), ("height", 128), ("steps", 2), ("seconds", 2.0))
                if isinstance(each["inputs"].get(name), (int, float))
            }
        outcome = simulated(tmp_path, catalog).run(prompt)
        assert (path.stem, True, True) == (path.stem, outcome.succeeded, outcome.simulated)
