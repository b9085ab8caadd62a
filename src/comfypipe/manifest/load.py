"""A manifest as a value: its spec, and where each part of it stands in the file."""

import re
from pathlib import Path

import msgspec
from msgspec import Struct

from comfypipe.diagnostics import Diagnostic, Source, did_you_mean
from comfypipe.errors import ManifestInvalid
from comfypipe.manifest.document import (
    MAX_CHARACTERS,
    Mapping,
    Scalar,
    Sequence,
    YamlNode,
    YamlProblem,
    parse_yaml,
)
from comfypipe.manifest.places import Places
from comfypipe.manifest.reader import read_struct
from comfypipe.manifest.rules import Rules
from comfypipe.manifest.schema import NAME_PATTERN, PipelineSpec, WorkflowSpec


class Manifest(Struct, frozen=True):
    """
    A manifest that was read.

    Attributes:
        name: What commands call it.
        path: The file.
        shown: The file relative to the project's root, as diagnostics show it.
        warnings: Findings that do not keep it from being used.
    """

    name: str
    path: Path
    shown: str
    spec: WorkflowSpec | PipelineSpec
    root: YamlNode
    warnings: tuple[Diagnostic, ...] = ()

    def __repr__(self) -> str:
        return f"Manifest(name={self.name!r}, shown={self.shown!r})"

    def source(self, *keys: str | int) -> Source:
        """
        Return the place of the value at this path of keys and list indices.

        What is not there has the place of its nearest parent's key.
        """
        node, place = self.root, Source(self.shown, self.root.line, self.root.column)
        for key in keys:
            found = _child(node, key)
            if found is None:
                return place
            above, node = found
            place = Source(self.shown, above.line, above.column)
        return Source(self.shown, node.line, node.column) if keys else place

    def key_source(self, *keys: str | int) -> Source:
        """Return the place of the last key itself; like `source` for a list's items."""
        place = Source(self.shown, self.root.line, self.root.column)
        node = self.root
        for key in keys:
            found = _child(node, key)
            if found is None:
                return place
            above, node = found
            place = Source(self.shown, above.line, above.column)
        return place


def _child(node: YamlNode, key: str | int) -> tuple[YamlNode, YamlNode] | None:
    if isinstance(node, Mapping):
        return node.find(str(key))
    if isinstance(node, Sequence) and isinstance(key, int) and key < len(node.items):
        return node.items[key], node.items[key]
    return None


def load_manifest(path: Path, shown: str) -> Manifest:
    """
    Read the manifest in the file *path*.

    Args:
        shown: The file's name in diagnostics.

    Raises:
        ManifestInvalid: With every finding of the file.
    """
    return parse_manifest(_read(path, shown), path, shown)


def parse_manifest(text: str, path: Path, shown: str) -> Manifest:
    """Read a manifest from its text; otherwise like `load_manifest`."""
    try:
        root = parse_yaml(text, shown)
    except YamlProblem as error:
        raise ManifestInvalid([error.diagnostic]) from None
    kind, wrong = _kind(root, shown)
    spec, reader = read_struct(kind, root, shown)
    if not isinstance(spec, WorkflowSpec | PipelineSpec):
        raise ManifestInvalid(reader.diagnostics)
    name = spec.name or default_name(path)
    if not re.fullmatch(NAME_PATTERN, name):
        hint = "set name in the manifest, or call the file otherwise"
        wrong.append(Diagnostic("bad-name", f'the file\'s name "{name}" cannot be a name', Source(shown), hint))
    manifest = Manifest(name, path, shown, msgspec.structs.replace(spec, name=name), root)
    rules = Rules(Places(manifest.source, manifest.key_source, reader.dropped))
    found = sorted([*wrong, *reader.diagnostics, *rules.check(spec)], key=lambda each: each.source or Source(shown))
    if any(each.severity == "error" for each in found):
        raise ManifestInvalid(found)
    return Manifest(name, path, shown, manifest.spec, root, tuple(found))


def default_name(path: Path) -> str:
    """Return the name of a manifest that states none: its file's, without the suffix."""
    return path.name.split(".", 1)[0]


_KINDS: dict[str, type[WorkflowSpec | PipelineSpec]] = {"Workflow": WorkflowSpec, "Pipeline": PipelineSpec}


def _kind(root: YamlNode, shown: str) -> tuple[type[WorkflowSpec | PipelineSpec], list[Diagnostic]]:
    """Return the kind that the manifest states, or else seems to be, so that the rest of it is looked at too."""
    guess = PipelineSpec if isinstance(root, Mapping) and root.find("steps") else WorkflowSpec
    if not isinstance(root, Mapping):
        return guess, []
    found = root.find("kind")
    source = Source(shown, root.line, root.column)
    if found is None:
        hint = f"write kind: {'Pipeline' if guess is PipelineSpec else 'Workflow'}"
        return guess, [Diagnostic("missing-key", "the manifest lacks kind", source, hint)]
    value = found[1]
    text = value.text if isinstance(value, Scalar) else ""
    if text in _KINDS:
        return _KINDS[text], []
    hint = did_you_mean(text, _KINDS) or "kinds are Workflow and Pipeline"
    source = Source(shown, value.line, value.column)
    return guess, [Diagnostic("unknown-kind", f'there is no kind "{text}"', source, hint)]


def _read(path: Path, shown: str) -> str:
    try:
        with path.open("rb") as stream:
            raw = stream.read(4 * MAX_CHARACTERS + 1)
        if len(raw) > 4 * MAX_CHARACTERS:
            message = f"the file has more than {MAX_CHARACTERS} characters"
            raise ManifestInvalid([Diagnostic("too-large", message, Source(shown))])
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        column = error.start - error.object[: error.start].rfind(b"\n")
        message = f"the byte 0x{error.object[error.start]:02X} is not UTF-8"
        raise ManifestInvalid([Diagnostic("yaml-syntax", message, Source(shown, line, column))]) from None
    except OSError as error:
        message = f"the file cannot be read: {error.strerror}"
        raise ManifestInvalid([Diagnostic("missing-file", message, Source(shown))]) from None
