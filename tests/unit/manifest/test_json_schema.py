import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
from tests.unit.manifest.reading import HEAD, read
from tests.unit.manifest.test_load import PORTRAIT

from comfypipe.errors import ManifestInvalid
from comfypipe.manifest.document import Mapping, Scalar, YamlNode, parse_yaml
from comfypipe.manifest.json_schema import json_schema

SCHEMA_FILE = Path("docs", "schema", "comfypipe-v1.schema.json")


def as_json(node: YamlNode) -> object:
    """Return a YAML tree as the JSON that editors check."""
    if isinstance(node, Scalar):
        return node.value()
    if isinstance(node, Mapping):
        return {key.text: as_json(value) for key, value in node.pairs if isinstance(key, Scalar)}
    return [as_json(each) for each in node.items]


def accepts(text: str) -> bool:
    """Return whether the schema accepts a manifest."""
    return bool(jsonschema.Draft202012Validator(json_schema()).is_valid(as_json(parse_yaml(text, "a.yaml"))))


def test_it_is_a_json_schema() -> None:
    """The document is valid under the draft that it names."""
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_the_published_file_is_current(root: Path) -> None:
    """``docs/schema`` holds what ``comfypipe schema`` prints; ``make docs`` writes it."""
    assert json_schema() == json.loads((root / SCHEMA_FILE).read_text("utf-8"))


def test_the_projects_own_manifests_satisfy_it(root: Path) -> None:
    """Every example of the repository is accepted by the schema, and read by the reader."""
    manifests = sorted(root.glob("manifests/**/*.yaml"))
    assert [True] * len(manifests) == [accepts(path.read_text("utf-8")) for path in manifests]


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "nme: x\n",
        HEAD + "name: 2x\n",
        HEAD + "inputs: {a: {type: picture}}\n",
        HEAD + "inputs: {a: {type: image, minimum: 1}}\n",
        HEAD + "inputs: {a-b: {type: image}}\n",
        HEAD + "inputs: {a: {type: integer, default: '7'}}\n",
        HEAD + "inputs: {a: {type: choice, choices: []}}\n",
        HEAD + "outputs: {a: {type: image, node: 9}}\n",
        HEAD + "retry: {attempts: 0}\n",
        HEAD.replace("v1", "v2"),
        HEAD.replace("Workflow", "Pipeline"),
        "apiVersion: comfypipe/v1\nkind: Pipeline\nsteps: []\n",
    ],
)
def test_what_types_can_say_the_schema_says(text: str) -> None:
    """A manifest of the wrong shape is refused by the schema as by the reader."""
    with pytest.raises(ManifestInvalid):
        read(text)
    assert not accepts(text)


def test_the_contracts_example_satisfies_it() -> None:
    """A manifest that uses every key is accepted."""
    assert accepts(PORTRAIT)


def test_every_key_is_described() -> None:
    """Editors show what a key is for: each of the manifest's own keys says so."""
    definitions = json_schema()["$defs"]
    undescribed = [
        f"{kind}.{name}"
        for kind in ("WorkflowSpec", "PipelineSpec")
        for name, each in definitions[kind]["properties"].items()
        if "description" not in each and name not in ("kind", "apiVersion", "retry")
    ]
    assert [] == undescribed
