"""Manifests inferred from prompts: which inputs, of which types, called what; outputs and requirements."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.importing.builders import CATALOG, a_class, a_graph, a_node, a_scope, a_subgraph, convert

from comfypipe._types import JSON, JSONObject
from comfypipe.importing.manifest import Draft, Source, candidates, draft
from comfypipe.importing.ui_graph import parse_ui_graph
from comfypipe.manifest.load import parse_manifest
from comfypipe.prompt.object_info import ObjectInfo

KNOWN: JSONObject = {
    "Checkpoint": a_class({"ckpt_name": [["a.safetensors"], {}]}, outputs=("MODEL", "CLIP", "VAE")),
    "CLIPTextEncode": a_class(
        {"text": ["STRING", {"multiline": True, "dynamicPrompts": True}], "clip": ["CLIP", {}]},
        outputs=("CONDITIONING",),
        display_name="CLIP Text Encode (Prompt)",
    ),
    "Guide": a_class({"conditioning": ["CONDITIONING", {}], "guidance": ["FLOAT", {}]}, outputs=("CONDITIONING",)),
    "ConditioningZeroOut": a_class({"conditioning": ["CONDITIONING", {}]}, outputs=("CONDITIONING",)),
    "Blank": a_class(
        {
            "width": ["INT", {"default": 512, "min": 16, "max": 16384, "step": 8}],
            "height": ["INT", {"default": 512, "min": 16, "max": 16384, "step": 8}],
        },
        outputs=("LATENT",),
    ),
    "KSampler": a_class(
        {
            "model": ["MODEL", {}],
            "positive": ["CONDITIONING", {}],
            "negative": ["CONDITIONING", {}],
            "latent_image": ["LATENT", {}],
            "seed": ["INT", {"default": 0, "min": 0, "max": 2**64 - 1}],
            "steps": ["INT", {"default": 20, "min": 1, "max": 10000}],
            "cfg": ["FLOAT", {"default": 8.0, "min": 0.0, "max": 100.0, "step": 0.1}],
            "sampler_name": [["euler", "ddim"], {}],
        },
        outputs=("LATENT",),
    ),
    "VAEDecode": a_class({"samples": ["LATENT", {}], "vae": ["VAE", {}]}, outputs=("IMAGE",)),
    "LoadImage": a_class({"image": [["x.png"], {"image_upload": True}]}, outputs=("IMAGE", "MASK")),
    "LoadImageMask": a_class({"image": [["x.png"], {"image_upload": True}]}, outputs=("MASK",)),
    "Scale": a_class({"image": ["IMAGE", {}], "by": ["FLOAT", {"default": 1.0}]}, outputs=("IMAGE",)),
    "Stack": a_class({"base_image": ["IMAGE", {}]}, outputs=("IMAGE",)),
    "PrimitiveInt": a_class({"value": ["INT", {"default": 1}]}, outputs=("INT",)),
    "SaveImage": a_class({"images": ["IMAGE", {}], "filename_prefix": ["STRING", {"default": "x"}]}),
    "PreviewImage": a_class({"images": ["IMAGE", {}]}),
    "SaveVideoToo": a_class({"clip": ["VIDEO", {}]}),
}


def a_prompt(**nodes: tuple[str, JSONObject] | tuple[str, JSONObject, str]) -> JSONObject:
    """Return a prompt of nodes by id: class, inputs and title."""
    return {
        node_id.removeprefix("n"): {
            "class_type": each[0],
            "inputs": each[1],
            "_meta": {"title": each[2] if len(each) > 2 else KNOWN.get(each[0], {}).get("display_name") or each[0]},
        }
        for node_id, each in nodes.items()
    }


BASIC = a_prompt(
    n4=("Checkpoint", {"ckpt_name": "a.safetensors"}),
    n5=("Blank", {"width": 512, "height": 640}),
    n6=("CLIPTextEncode", {"text": "a cat", "clip": ["4", 1]}),
    n7=("CLIPTextEncode", {"text": "bad", "clip": ["4", 1]}),
    n3=(
        "KSampler",
        {
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
            "seed": 42,
            "steps": 20,
            "cfg": 8,
            "sampler_name": "euler",
        },
    ),
    n8=("VAEDecode", {"samples": ["3", 0], "vae": ["4", 2]}),
    n9=("SaveImage", {"images": ["8", 0], "filename_prefix": "x"}),
)


def made_of(prompt: JSONObject, **options: JSON) -> Draft:
    """Return the draft of *prompt* against the known classes."""
    return draft(Source(prompt, object_info=ObjectInfo(KNOWN)), "made", **options)


def inputs_of(prompt: JSONObject, **options: JSON) -> dict[str, JSONObject]:
    """Return what the manifest of *prompt* says of its inputs."""
    made = made_of(prompt, **options)
    return {name: made.input_spec(each) for name, each in made.inputs.items()}


def test_a_basic_workflow_has_the_inputs_that_people_change() -> None:
    """Prompts first, named for what they feed, then seed, sizes and steps; typed, with ranges and defaults."""
    assert {
        "positive": {"type": "text", "default": "a cat", "bind": "6.inputs.text"},
        "negative": {"type": "text", "default": "bad", "bind": "7.inputs.text"},
        "seed": {"type": "seed", "default": 42, "bind": "3.inputs.seed"},
        "width": {
            "type": "integer",
            "default": 512,
            "minimum": 16,
            "maximum": 16384,
            "multiple_of": 8,
            "bind": "5.inputs.width",
        },
        "height": {
            "type": "integer",
            "default": 640,
            "minimum": 16,
            "maximum": 16384,
            "multiple_of": 8,
            "bind": "5.inputs.height",
        },
        "steps": {"type": "integer", "default": 20, "minimum": 1, "maximum": 10000, "bind": "3.inputs.steps"},
        "cfg": {"type": "number", "default": 8, "minimum": 0, "maximum": 100, "bind": "3.inputs.cfg"},
    } == inputs_of(BASIC)


def test_the_manifest_is_text_that_people_can_edit() -> None:
    """Short entries stand in one line each."""
    text = made_of({**BASIC, "7": BASIC["6"] | {"inputs": {"text": "two\nlines", "clip": ["4", 1]}}}).manifest_text(
        "w/made.json"
    )
    assert text == (
        "# Yours to edit: `comfypipe import --update made FILE` brings in a newer save and keeps what you changed.\n"
        "apiVersion: comfypipe/v1\n"
        "kind: Workflow\n"
        "name: made\n"
        "workflow: w/made.json\n"
        "inputs:\n"
        '  positive: {type: text, default: a cat, bind: "6.inputs.text"}\n'
        "  negative:\n"
        "    type: text\n"
        "    default: |-\n"
        "      two\n"
        "      lines\n"
        '    bind: "7.inputs.text"\n'
        '  seed: {type: seed, default: 42, bind: "3.inputs.seed"}\n'
        "  width: {type: integer, default: 512, minimum: 16, maximum: 16384, multiple_of: 8, "
        'bind: "5.inputs.width"}\n'
        "  height: {type: integer, default: 640, minimum: 16, maximum: 16384, multiple_of: 8, "
        'bind: "5.inputs.height"}\n'
        '  steps: {type: integer, default: 20, minimum: 1, maximum: 10000, bind: "3.inputs.steps"}\n'
        '  cfg: {type: number, default: 8, minimum: 0, maximum: 100, bind: "3.inputs.cfg"}\n'
        "models:\n"
        "  - path: models/checkpoints/a.safetensors\n"
        "outputs:\n"
        '  image: {type: image, node: "9"}\n'
    )


def test_everything_means_every_widget() -> None:
    """Also choices, models and the names of files."""
    more = inputs_of(BASIC, everything=True)
    assert {
        "ckpt_name": {
            "type": "model",
            "default": "a.safetensors",
            "folder": "checkpoints",
            "bind": "4.inputs.ckpt_name",
        },
        "sampler_name": {
            "type": "choice",
            "choices": ["euler", "ddim"],
            "default": "euler",
            "bind": "3.inputs.sampler_name",
        },
        "filename_prefix": {"type": "string", "default": "x", "bind": "9.inputs.filename_prefix"},
    } == {name: spec for name, spec in more.items() if name not in inputs_of(BASIC)}


def test_what_is_chosen_becomes_an_input_and_nothing_else() -> None:
    """A person's choice counts alone."""
    assert ["sampler_name", "seed"] == sorted(inputs_of(BASIC, chosen=["seed", "sampler_name", "none"]))


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("subject", {"subject": "subject.text"}),
        ("Subject_2", {"Subject_2": "Subject_2.text"}),
        ("Positive prompt", {"positive": "Positive prompt.text"}),
        ("v1.5 prompt", {"positive": "6.inputs.text"}),
        ("CLIPTextEncode", {"positive": "6.inputs.text"}),
        ("class", {"class_": "class.text"}),
        ("4", {"positive": "6.inputs.text"}),
    ],
)
def test_a_title_that_is_an_identifier_is_the_name(title: str, expected: dict[str, str]) -> None:
    """Other titles still serve to bind by, where they are the author's own and name one node."""
    prompt = {**BASIC, "6": {**BASIC["6"], "_meta": {"title": title}}}
    found = inputs_of(prompt)
    name = next(iter(expected))
    assert expected[name] == found[name]["bind"]


def test_a_title_goes_before_the_names_of_several_inputs_of_a_node() -> None:
    """``refiner`` with a seed and steps gives ``refiner_seed`` and ``refiner_steps``."""
    prompt = {**BASIC, "3": {**BASIC["3"], "_meta": {"title": "refiner"}}}
    assert {"refiner_seed", "refiner_steps", "refiner_cfg"} <= inputs_of(prompt).keys()


def test_names_that_collide_are_numbered() -> None:
    """The first of a name keeps it."""
    prompt = {**BASIC, "30": BASIC["3"], "90": {**BASIC["9"], "inputs": {"images": ["80", 0], "filename_prefix": "y"}}}
    prompt["80"] = {**BASIC["8"], "inputs": {"samples": ["30", 0], "vae": ["4", 2]}}
    found = inputs_of(prompt)
    assert ("3.inputs.seed", "30.inputs.seed") == (found["seed"]["bind"], found["seed_2"]["bind"])


def test_a_prompt_is_named_for_where_it_leads_through_nodes_that_hand_it_on() -> None:
    """Vague names are followed while the type stays; one that empties the prompt does not count."""
    prompt = {
        **BASIC,
        "10": {"class_type": "ConditioningZeroOut", "inputs": {"conditioning": ["6", 0]}},
        "11": {"class_type": "Guide", "inputs": {"conditioning": ["6", 0], "guidance": 3.5}},
        "3": {**BASIC["3"], "inputs": {**BASIC["3"]["inputs"], "positive": ["11", 0], "negative": ["10", 0]}},
    }
    assert {"positive", "seed", "width", "height", "steps", "cfg", "guidance"} == set(inputs_of(prompt))


def test_values_that_nothing_says_more_of_are_named_for_their_class() -> None:
    """A prompt is then called just that."""
    prompt = {
        "1": {"class_type": "CLIPTextEncode", "inputs": {"text": "x"}},
        "2": {"class_type": "BetaTestNode", "inputs": {"value": 1.5, "text": ["1", 0]}},
    }
    assert {"prompt": "text", "beta_test_node": "number"} == {
        name: spec["type"] for name, spec in inputs_of(prompt, everything=True).items()
    }


def test_files_may_be_left_out_and_are_named_for_their_use() -> None:
    """A loaded file is an input of its media type; without one the export's own name stands."""
    prompt = a_prompt(
        n1=("LoadImage", {"image": "photo.png"}),
        n2=("LoadImageMask", {"image": "hole.png", "channel": "red"}),
        n3=("Scale", {"image": ["1", 0], "by": 2.0}),
        n4=("LoadImage", {"image": "other.png"}),
        n5=("Stack", {"base_image": ["4", 0], "hole": ["2", 0]}),
        n6=("SaveImage", {"images": ["3", 0], "filename_prefix": "x"}),
        n7=("SaveImage", {"images": ["5", 0], "filename_prefix": "x"}),
    )
    assert {
        "image": {"type": "image", "required": False, "bind": "1.inputs.image"},
        "hole": {"type": "mask", "required": False, "bind": "2.inputs.image"},
        "base_image": {"type": "image", "required": False, "bind": "4.inputs.image"},
    } == inputs_of(prompt)


@pytest.mark.parametrize(
    ("class_type", "name", "value", "expected"),
    [
        ("KSampler", "seed", -1, {"type": "integer", "default": -1, "maximum": None}),
        ("Blank", "width", 8, {"type": "integer", "default": 8, "maximum": 16384, "multiple_of": 8}),
        ("Blank", "width", 20, {"type": "integer", "default": 20, "minimum": 16, "maximum": 16384}),
        ("Blank", "width", 99999, {"type": "integer", "default": 99999, "minimum": 16}),
        ("KSampler", "sampler_name", "odd", {"type": "choice", "choices": ["euler", "ddim", "odd"], "default": "odd"}),
        ("KSampler", "steps", None, {"type": "json", "required": False}),
        ("Nothing", "flag", True, {"type": "boolean", "default": True}),
        ("Nothing", "some", {"a": 1}, {"type": "json", "default": {"a": 1}}),
        ("Nothing", "text", "x", {"type": "text", "default": "x"}),
        ("Nothing", "other", "a\nb", {"type": "text", "default": "a\nb"}),
        ("Nothing", "my_seed", 5, {"type": "seed", "default": 5}),
        ("Nothing", "seed", 1.5, {"type": "number", "default": 1.5}),
        (
            "LoraLoader",
            "lora_name",
            "sub\\x.safetensors",
            {"type": "model", "folder": "loras", "default": "sub\\x.safetensors"},
        ),
        ("VAELoader", "vae_name", "pixel_space", {"type": "string", "default": "pixel_space"}),
        ("VHS_LoadVideo", "video", "x.mp4", {"type": "video", "required": False}),
    ],
)
def test_types_and_limits_hold_the_value_itself(class_type: str, name: str, value: JSON, expected: JSONObject) -> None:
    """Limits that the value breaks are left out, so that the manifest is right as it is."""
    prompt = {"1": {"class_type": class_type, "inputs": {name: value}}}
    info = {class_type: {**KNOWN[class_type], "output_node": True}} if class_type in KNOWN else {}
    (found,) = candidates(Source(prompt, object_info=ObjectInfo(info)))
    assert {key: each for key, each in expected.items() if each is not None} == found.spec


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, "\ud800", "x" * 50_001, "a\0b", {"a": [2**70]}])
def test_what_a_manifest_cannot_hold_is_no_input(value: JSON) -> None:
    """It stays as it is in the workflow."""
    assert () == candidates(Source({"1": {"class_type": "A", "inputs": {"x": value}}}))


def test_nodes_that_no_output_needs_give_no_inputs() -> None:
    """A forgotten branch would only confuse."""
    prompt = {**BASIC, "99": {"class_type": "CLIPTextEncode", "inputs": {"text": "forgotten", "clip": ["4", 1]}}}
    assert inputs_of(BASIC) == inputs_of(prompt)


def test_a_value_that_the_graph_shows_once_is_one_input() -> None:
    """A primitive that feeds two samplers, a subgraph's input that feeds two nodes: one input, bound to both."""
    inner = a_scope(
        a_node(1, "Plain", ["x"], {"text": (-10, 0)}, widgets=["text"]),
        a_node(2, "Plain", ["y"], {"text": (-10, 0)}, widgets=["text"]),
        inputs=["scene"],
        outputs={"a": (1, 0), "b": (2, 0)},
    )
    graph = a_graph(
        a_node(3, "PrimitiveNode", [7, "fixed"], title="both"),
        a_node(4, "Sample", [1, "fixed", 20, "ddim"], {"seed": (3, 0)}, widgets=["seed"]),
        a_node(5, "Sample", [2, "fixed", 20, "ddim"], {"seed": (3, 0)}, widgets=["seed"]),
        a_node(8, "S", ["sea"]),
        subgraphs=[a_subgraph("S", inner)],
    )
    converted = convert(graph)
    info = {name: {**each, "output_node": True} for name, each in CATALOG.items()}
    source = Source(converted.prompt, parse_ui_graph(graph), ObjectInfo(info), converted.knobs)
    found = {each.name: each.bind for each in candidates(source)}
    assert ("4.inputs.seed", "5.inputs.seed") == found["both_seed"]
    assert ("8:1.inputs.text", "8:2.inputs.text") == found["scene"]


def test_inputs_of_the_editors_app_mode_come_first() -> None:
    """What the graph's author exposed is what people should see, whatever it is."""
    graph = a_graph(
        a_node(1, "Plain", ["x"]),
        a_node(2, "Sample", [7, "fixed", 20, "ddim"]),
        a_node(3, "SaveImage", ["p"]),
        extra={"linearData": {"inputs": [["3", "filename_prefix"], [2, "sampler"], ["9", "gone"], "odd"]}},
    )
    info = {name: {**each, "output_node": True} for name, each in CATALOG.items()}
    source = Source(convert(graph).prompt, parse_ui_graph(graph), ObjectInfo(info))
    assert ["filename_prefix", "sampler", "prompt", "seed", "steps"] == list(draft(source, "x").inputs)


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ({"1": "SaveImage", "2": "SaveImage", "3": "SaveAudioMP3"}, {"image": "1", "image_2": "2", "audio": "3"}),
        ({"1": "SaveVideoToo", "2": "PreviewImage"}, {"video": "1"}),
        ({"1": "PreviewImage", "2": "PreviewAny"}, {"image": "1"}),
        ({"1": "PreviewAny"}, {"text": "1"}),
        ({"1": "KSampler"}, {}),
    ],
)
def test_outputs_are_what_is_saved_else_what_is_shown(nodes: dict[str, str], expected: dict[str, str]) -> None:
    """Classes are known by name, or judged by their declaration."""
    prompt = {node_id: {"class_type": kind, "inputs": {}} for node_id, kind in nodes.items()}
    assert expected == {name: each["node"] for name, each in made_of(prompt).outputs.items()}


def test_an_output_is_named_by_its_title() -> None:
    """As inputs are."""
    prompt = {"1": {"class_type": "SaveImage", "inputs": {}, "_meta": {"title": "thumbnail"}}}
    assert {"thumbnail": {"type": "image", "node": "1"}} == made_of(prompt).outputs


def test_models_come_with_what_the_graph_says_of_them() -> None:
    """Folder, address and digest of files that the prompt names; files of other nodes are left out."""
    digest = "ab" * 32
    listed = [
        {
            "name": "a.safetensors",
            "directory": "checkpoints",
            "url": "https://x.y/a",
            "hash": digest.upper(),
            "hash_type": "SHA256",
        },
        {"name": "odd.bin", "directory": "special", "url": "ftp://x.y/odd"},
        {"name": "gone.safetensors", "directory": "vae", "url": "https://x.y/gone"},
        {"name": "evil.pt", "directory": "../.."},
        {"name": 5},
    ]
    graph = a_graph(a_node(1, "Checkpoint", ["a.safetensors"], properties={"models": listed}))
    prompt = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
        "2": {"class_type": "OddLoader", "inputs": {"which": "sub/odd.bin"}},
        "3": {"class_type": "LoraLoader", "inputs": {"lora_name": "styles\\ink.safetensors"}},
        "4": {"class_type": "CLIPVisionLoader", "inputs": {"clip_name": "v.safetensors"}},
        "5": {"class_type": "VAELoader", "inputs": {"vae_name": "taesd", "other": "evil.pt"}},
    }
    assert (
        {"path": "models/checkpoints/a.safetensors", "url": "https://x.y/a", "sha256": digest},
        {"path": "models/special/sub/odd.bin"},
        {"path": "models/loras/styles/ink.safetensors"},
        {"path": "models/clip_vision/v.safetensors"},
    ) == draft(Source(prompt, parse_ui_graph(graph)), "x").models


def test_custom_nodes_are_known_by_registry_id_repository_or_folder() -> None:
    """The newest version that was used is the oldest that will do."""
    graph = a_graph(
        a_node(1, "A", properties={"cnr_id": "Pack", "ver": "1.9.0"}),
        a_node(2, "B", properties={"aux_id": "someone/ComfyUI-Other", "ver": "8a4c1f0"}),
        a_node(3, "C", properties={"cnr_id": "comfy-core", "ver": "0.3.64"}),
    )
    prompt = {
        "1": {"class_type": "A", "inputs": {}, "_meta": {"cnr_id": "pack", "ver": "1.10.0"}},
        "2": {"class_type": "A", "inputs": {}},
        "3": {"class_type": "B", "inputs": {}},
        "4": {"class_type": "C", "inputs": {}},
        "5": {"class_type": "D", "inputs": {}},
        "6": {"class_type": "E", "inputs": {}},
    }
    info = ObjectInfo({"D": a_class(python_module="custom_nodes.ComfyUI-D.nodes"), "E": a_class(python_module="nodes")})
    assert (
        {"id": "comfyui-d"},
        {"id": "comfyui-other", "url": "https://github.com/someone/ComfyUI-Other"},
        {"id": "pack", "version": ">=1.10.0"},
    ) == draft(Source(prompt, parse_ui_graph(graph), info), "x").custom_nodes


ODD_WORDS = ["seed", "text", "class", "None", "self", "a" * 64, "seed.b", "9x", "Ünicode"]
WORDS = st.text(max_size=70) | st.sampled_from(ODD_WORDS)
LITERALS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**66), 2**66),
    st.floats(allow_nan=False, allow_infinity=False),
    WORDS,
    st.sampled_from(["x.safetensors", "../x.safetensors", "a\\b.ckpt", "two\nlines ", "\n", "con.pt"]),
    st.dictionaries(WORDS, st.integers(-5, 2**66), max_size=2),
)


@st.composite
def prompts(draw: st.DrawFn) -> JSONObject:
    """Draw a prompt of known and unknown classes with odd titles, names and values."""
    ids = draw(st.lists(st.text(min_size=1, max_size=5), max_size=5, unique=True))
    kinds = st.sampled_from([*KNOWN, "Odd", "Save", "LoraLoader"])
    names = WORDS | st.sampled_from(["ckpt_name", "lora_name", "seed", "steps", "image", "width"])
    links = st.tuples(st.sampled_from(ids or ["x"]), st.integers(0, 2)).map(list)
    return {
        node_id: {
            "class_type": draw(kinds),
            "inputs": draw(st.dictionaries(names, LITERALS | links, max_size=4)),
            "_meta": {"title": draw(WORDS), "cnr_id": draw(WORDS), "ver": draw(WORDS)},
        }
        for node_id in ids
    }


@given(prompts(), st.sampled_from(["bind", "template"]), st.booleans())
def test_no_manifest_has_anything_wrong_with_it(prompt: JSONObject, form: str, everything: bool) -> None:
    """Whatever the prompt: names, types, ranges, paths and bindings are those that a manifest may have."""
    made = made_of(prompt, form=form, everything=everything, description='From "odd": {x}\n#')
    workflow = f"workflows/x{made.suffix}"
    found = parse_manifest(made.manifest_text(workflow), Path("x.yaml"), "x.yaml")
    assert () == found.warnings
    assert list(made.inputs) == list(found.spec.inputs)
