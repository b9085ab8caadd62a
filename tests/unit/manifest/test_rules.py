import pytest
from tests.unit.manifest.reading import EXPORT, HEAD, PIPELINE, findings, read


@pytest.mark.parametrize(
    ("workflow", "expected"),
    [
        (
            "/etc/a.json.j2",
            (
                '3:11 bad-path: workflow cannot be "/etc/a.json.j2": it is not relative\n'
                "  hint: it is relative to the project's root, such as workflows/portrait.json.j2"
            ),
        ),
        (
            "../a.json.j2",
            (
                '3:11 bad-path: workflow cannot be "../a.json.j2": empty parts, . and .. and names that end with a dot '
                "or a space may not stand in it\n"
                "  hint: it is relative to the project's root, such as workflows/portrait.json.j2"
            ),
        ),
        (
            "workflows/a.yaml",
            '3:11 bad-path: workflow takes a .json.j2 template or a .json export, not "workflows/a.yaml"',
        ),
    ],
)
def test_the_template_lies_in_the_project(workflow: str, expected: str) -> None:
    """``workflow`` names a template or an export by its path below the root."""
    assert [expected] == findings(HEAD.replace("workflows/a.json.j2", workflow))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            HEAD + 'inputs: {a: {type: image, bind: "6.image"}}',
            (
                "4:33 bad-bind: inputs.a.bind: only exports (.json) are bound\n"
                "  hint: a template writes {{ a }} where the value goes"
            ),
        ),
        (
            EXPORT + 'inputs: {a: {type: image, bind: "6"}}',
            (
                '4:33 bad-bind: inputs.a.bind: "6" names no node and input\n'
                '  hint: write "6.inputs.text", or by title "Positive prompt.text"'
            ),
        ),
        (
            EXPORT + 'inputs: {a: {type: image, bind: ["6.a", "b"]}}',
            (
                '4:33 bad-bind: inputs.a.bind: "b" names no node and input\n'
                '  hint: write "6.inputs.text", or by title "Positive prompt.text"'
            ),
        ),
    ],
)
def test_exports_are_bound_and_templates_are_not(text: str, expected: str) -> None:
    """``bind`` belongs to exports, and names a node and one of its inputs."""
    assert [expected] == findings(text)


_FILE_HINT = "\n  hint: write input/FILE or models/FOLDER/FILE"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("/input/a.png", "it is not relative"),
        ("~/a.png", "it is not relative"),
        ("output/a.png", "only input/FILE and models/FOLDER/FILE can be filled"),
        ("Input/a.png", "only input/FILE and models/FOLDER/FILE can be filled"),
        ("input", "only input/FILE and models/FOLDER/FILE can be filled"),
        ("models/a.safetensors", "only input/FILE and models/FOLDER/FILE can be filled"),
        (
            "input/../a.png",
            "empty parts, . and .. and names that end with a dot or a space may not stand in it",
        ),
        ("input//a.png", "empty parts, . and .. and names that end with a dot or a space may not stand in it"),
        ("input/a.png.", "empty parts, . and .. and names that end with a dot or a space may not stand in it"),
        ("input\\a.png", "the character '\\\\' may not stand in it"),
        ("c:/a.png", "the character ':' may not stand in it"),
        ("models/Custom_Nodes/a.py", "code is never put in place: custom_nodes is closed"),
        ("custom_nodes/a/b.py", "code is never put in place: custom_nodes is closed"),
        ("input/comfypipe/a.png", "input/comfypipe is where files given for inputs are placed"),
    ],
)
def test_files_go_to_open_places_only(name: str, problem: str) -> None:
    """``files`` fills ComfyUI's input folder and its folders of models, and nothing else."""
    expected = f'5:3 bad-destination: files cannot fill "{name}": {problem}{_FILE_HINT}'
    assert [expected] == findings(f"{HEAD}files:\n  '{name}': assets/a.png\n")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "../a.png",
            (
                'bad-path: files.input/a.png cannot be "../a.png": empty parts, . and .. and names that end with a dot '
                "or a space may not stand in it\n  hint: it is relative to the project's root, or an http(s) URL"
            ),
        ),
        (
            "ftp://example.com/a.png",
            "bad-url: files.input/a.png cannot be used: it begins with neither https:// nor http://",
        ),
        (
            "https://me:secret@example.com/a.png",
            "bad-url: files.input/a.png cannot be used: a user name or key does not belong in it",
        ),
        ("https:///a.png", "bad-url: files.input/a.png cannot be used: it is not an address"),
        ("https://example.com:99999/a", "bad-url: files.input/a.png cannot be used: Port out of range 0-65535"),
    ],
)
def test_files_come_from_the_project_or_a_url(source: str, expected: str) -> None:
    """What is put in place is a file of the project, or what an http(s) URL without a key in it gives."""
    assert [f"5:16 {expected}"] == findings(f"{HEAD}files:\n  input/a.png: {source}\n")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            "path: loras/a.safetensors",
            (
                '5:11 bad-destination: models[0].path cannot be "loras/a.safetensors": only input/FILE and '
                "models/FOLDER/FILE can be filled\n"
                "  hint: write models/FOLDER/FILE, such as models/loras/ink.safetensors"
            ),
        ),
        (
            "path: input/a.safetensors",
            (
                '5:11 bad-destination: models[0].path cannot be "input/a.safetensors": it is not below models/\n'
                "  hint: write models/FOLDER/FILE, such as models/loras/ink.safetensors"
            ),
        ),
        (
            "{path: models/loras/a, url: models/b}",
            "5:33 bad-url: models[0].url cannot be used: it begins with neither https:// nor http://",
        ),
        (
            f"{{path: models/loras/a, sha256: {'0' * 63}g}}",
            "5:36 bad-digest: models[0].sha256 takes 64 hexadecimal digits, not 64 characters",
        ),
        (
            f"{{path: models/loras/a, sha256: {'a' * 63}}}",
            "5:36 bad-digest: models[0].sha256 takes 64 hexadecimal digits, not 63 characters",
        ),
    ],
)
def test_models_have_a_place_and_an_origin(model: str, expected: str) -> None:
    """A model lies in a folder of models; its URL and its digest must be ones."""
    assert [expected] == findings(f"{HEAD}models:\n  - {model}\n")


def test_a_model_is_declared_once() -> None:
    """Two entries for one file are a mistake."""
    text = f"{HEAD}models:\n  - path: models/loras/a\n  - path: models/loras/a\n"
    assert ["6:11 duplicate-name: the model models/loras/a is declared twice"] == findings(text)


def test_an_accelerator_is_a_name() -> None:
    """Accelerators are words, in the order of preference."""
    expected = (
        '4:15 bad-name: accelerator[0]: "A 100" cannot be an accelerator\n'
        "  hint: letters, digits, _ . and -, such as A100_40GB"
    )
    assert [expected] == findings(f"{HEAD}accelerator: [A 100]\n")


def test_an_accelerator_in_another_spelling_is_a_warning() -> None:
    """A well-known accelerator spelt otherwise is pointed out, and any other name passes."""
    expected = (
        'manifests/a.yaml:4:15 warning accelerator-name: accelerator[0]: the accelerator "a100-40gb" is called '
        "A100_40GB elsewhere\n  hint: write A100_40GB, unless the server's settings say a100-40gb"
    )
    found = read(f"{HEAD}accelerator: [a100-40gb, RTX4090, L4]\n").warnings
    assert [expected] == [str(each) for each in found]


@pytest.mark.parametrize("name", ["from", "None", "true", "loop", "range"])
def test_reserved_words_are_no_names(name: str) -> None:
    """What means something to Python or to templates cannot be called by them."""
    text = f"{HEAD}inputs:\n  {name}: {{type: image}}\noutputs:\n  {name}: {{type: image, node: a}}\n"
    assert [
        f'{place} bad-name: {group}.{name}: "{name}" cannot be a name\n  hint: it is a reserved word; {name}_ would do'
        for place, group in (("5:3", "inputs"), ("7:3", "outputs"))
    ] == findings(text)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (
            "[{id: a, workflow: x}, {id: a, workflow: y}]",
            '3:36 duplicate-name: two steps have the id "a"\n  hint: the first stands in line 3',
        ),
        (
            "[{id: if, workflow: x}]",
            '3:14 bad-name: steps[0].id: "if" cannot be a name\n  hint: it is a reserved word; if_ would do',
        ),
        (
            "[{id: a-b, workflow: x}]",
            (
                '3:14 bad-name: steps[0].id: "a-b" cannot be a name\n'
                "  hint: letters, digits and _, beginning with a letter; at most 64"
            ),
        ),
        ("[{id: a}]", "3:9 missing-key: steps[0] lacks workflow\n  hint: Name of the workflow that it runs."),
        (
            "[{id: a, workflow: x, accelerator: [a b]}]",
            (
                '3:44 bad-name: steps[0].accelerator[0]: "a b" cannot be an accelerator\n'
                "  hint: letters, digits, _ . and -, such as A100_40GB"
            ),
        ),
        (
            "[{id: a, workflow: x, input: {}}]",
            '3:30 unknown-key: steps[0] has no key "input"\n  hint: did you mean inputs?',
        ),
        (
            "[{id: a, workflow: x, when: 1}]",
            '3:36 wrong-type: steps[0].when takes text or true or false, not the number 1\n  hint: quote it: "1"',
        ),
    ],
)
def test_what_is_wrong_with_a_step_is_told(steps: str, expected: str) -> None:
    """Steps have an id of their own and a workflow."""
    assert [expected] == findings(f"{PIPELINE}steps: {steps}\n")
