"""The engine: takes prompts in API format, runs them in this process, and says what they gave."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from msgspec.structs import replace

from comfypipe._types import JSON, JSONObject
from comfypipe.engine.cache import Cache
from comfypipe.engine.calls import accepts
from comfypipe.engine.catalog import core_registry
from comfypipe.engine.events import Listener
from comfypipe.engine.files import file_path, shown_files
from comfypipe.engine.interruption import Interruption
from comfypipe.engine.literals import convert_literals, with_literals
from comfypipe.engine.offline import MISSING_HINT
from comfypipe.engine.outcome import Outcome
from comfypipe.engine.registry import Folders, NodeClass, Registry, describe
from comfypipe.engine.retention import Retention
from comfypipe.engine.runner import Circumstances, Runner, Work
from comfypipe.engine.signature import node_keys
from comfypipe.errors import PromptInvalid
from comfypipe.prompt.graph import Link, Node, PromptGraph
from comfypipe.prompt.object_info import NodeInfo, ObjectInfo, parse_node_info
from comfypipe.prompt.validate import Validation, validate

DEFAULT_CACHE_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Prepared:
    """
    A prompt that was looked at and can run, as far as it is valid.

    Attributes:
        document: As it came, with its literals converted.
    """

    document: JSONObject
    graph: PromptGraph
    validation: Validation


class Engine:
    """
    Executes prompts made of the registered node classes. One runs at a time; others wait their turn.

    Args:
        folders: Where files are read and written; made when they are first needed.
        registry: The node classes; all core ones where nothing is said.
        cache_bytes: How much the results that are kept between prompts may hold.
        missing_hint: What to do about a class that the registry does not have.
        output_bytes: How much the files in ``output`` and ``temp`` may take: beyond it the oldest go. None: all stay.
    """

    def __init__(
        self,
        folders: Folders,
        registry: Registry | None = None,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        missing_hint: str = MISSING_HINT,
        output_bytes: int | None = None,
    ) -> None:
        self.missing_hint = missing_hint
        self.folders = folders
        self.registry = registry if registry is not None else core_registry()
        self.cache = Cache(cache_bytes)
        bounded = (folders.output, folders.temp)
        self._retention = None if output_bytes is None else Retention(bounded, output_bytes)
        self._info = _EngineInfo(self.registry, folders)
        self._outside = frozenset(name for name, each in self.registry.items() if each.validate or _lists_files(each))
        self._turn = Lock()
        self._running: tuple[str, Interruption] | None = None

    def object_info(self) -> ObjectInfo:
        """Return what the engine can run, with the files that there are now."""
        return ObjectInfo(self.registry.object_info(self.folders), missing_hint=self.missing_hint)

    def prepare(self, prompt: JSON | PromptGraph, outputs: Collection[str] | None = None) -> Prepared:
        """
        Check a prompt, and convert its literals to the declared types.

        Args:
            prompt: API format.
            outputs: The output nodes that are wanted; all where nothing is said.

        Raises:
            PromptInvalid: It is no prompt at all. What is wrong in single nodes stands in ``validation``.
        """
        document = prompt.to_json() if isinstance(prompt, PromptGraph) else prompt
        graph = PromptGraph.parse(document)
        validation = validate(graph, self._info, custom=self._check_node, outputs=outputs)
        graph = convert_literals(graph, self.registry)
        return Prepared(with_literals(document, graph), graph, validation)

    def looks_outside(self, prompt: JSON) -> bool:
        """Tell whether a check of *prompt* (API format) lists files or asks a node: that may take any time."""
        nodes = prompt.values() if isinstance(prompt, dict) else ()
        named = (node.get("class_type") for node in nodes if isinstance(node, dict))
        return any(name in self._outside for name in named if isinstance(name, str))

    def validate(self, prompt: JSON | PromptGraph, outputs: Collection[str] | None = None) -> Validation:
        """Check a prompt, files that it loads included; see `prepare`."""
        return self.prepare(prompt, outputs).validation

    def run(
        self,
        prompt: JSON | PromptGraph,
        *,
        prompt_id: str,
        extra_pnginfo: JSONObject | None = None,
        listener: Listener | None = None,
        outputs: Collection[str] | None = None,
    ) -> Outcome:
        """
        Run a prompt to its end. Blocks; an error of a node is an outcome, not an exception.

        Args:
            extra_pnginfo: What saving nodes embed beside the prompt.
            listener: Told what happens, from this thread.

        Raises:
            PromptInvalid: Something in it is wrong; then nothing runs.
        """
        prepared = self.prepare(prompt, outputs)
        refuse_invalid(prepared, self.registry, self.missing_hint)
        return self.execute(prepared, prompt_id=prompt_id, extra_pnginfo=extra_pnginfo, listener=listener)

    def execute(
        self,
        prepared: Prepared,
        *,
        prompt_id: str,
        extra_pnginfo: JSONObject | None = None,
        listener: Listener | None = None,
        interruption: Interruption | None = None,
        accelerator: str | None = None,
        models: Collection[str] | None = None,
    ) -> Outcome:
        """
        Run the valid outputs of a prepared prompt to their end. Blocks.

        Args:
            interruption: Lets the caller stop the run, also before it starts.
            accelerator: What it is asked to run on; only nodes that are simulated mind.
            models: Paths of the model files that it may use; None for any. Again only nodes that are simulated mind.
        """
        interruption = interruption or Interruption()
        with self._turn:
            self._running = (prompt_id, interruption)
            try:
                about = Circumstances(accelerator, None if models is None else frozenset(models))
                work = self._plan(prepared, prompt_id, extra_pnginfo or {}, about)
                outcome = Runner(work, self.cache, interruption, listener).run()
            finally:
                self._running = None
            if self._retention is not None:
                self._retention.added(_files_of(outcome, self.folders))
            return outcome

    def interrupt(self, prompt_id: str | None = None) -> bool:
        """
        Ask the prompt that runs to stop.

        Args:
            prompt_id: Only if it is this one.

        Returns:
            Whether one was asked.
        """
        running = self._running
        if running is None or prompt_id not in (None, running[0]):
            return False
        running[1].request()
        return True

    def _plan(self, prepared: Prepared, prompt_id: str, extra_pnginfo: JSONObject, about: Circumstances) -> Work:
        graph, outputs = prepared.graph, prepared.validation.outputs
        order = _subgraph(graph, graph.ancestors(list(outputs))).order()
        fingerprints: dict[str, JSON] = {}
        keys = node_keys(
            graph, order, lambda node: self._with_models(node, self._fingerprint(node, fingerprints), about)
        )
        return Work(
            prompt_id=prompt_id,
            graph=graph,
            prompt=_with_fingerprints(prepared.document, fingerprints),
            extra_pnginfo=extra_pnginfo,
            outputs=outputs,
            keys=keys,
            classes=self.registry,
            folders=self.folders,
            simulated=self._simulated(graph, order),
            circumstances=about,
        )

    def _with_models(self, node: Node, found: tuple[bool, JSON], about: Circumstances) -> tuple[bool, JSON]:
        """Let a stand-in whose model may be named by a link be looked up only where the same models are declared."""
        node_class = self.registry[node.class_type]
        specs = (node_class.inputs.get(name) for name, _ in node.links())
        named = any(spec is not None and spec.type in ("STRING", "COMBO", "*") for spec in specs)
        if about.models is None or not node_class.simulated or not named:
            return found
        return found[0], [found[1], sorted(about.models)]

    def _simulated(self, graph: PromptGraph, order: Sequence[str]) -> frozenset[str]:
        """Return which nodes stand in for others, or read from one that does."""
        found: set[str] = set()
        for node_id in order:
            node = graph.nodes[node_id]
            if self.registry[node.class_type].simulated or any(link.node_id in found for _, link in node.links()):
                found.add(node_id)
        return frozenset(found)

    def _fingerprint(self, node: Node, found: dict[str, JSON]) -> tuple[bool, JSON]:
        function = self.registry[node.class_type].fingerprint
        if function is None:
            return True, None
        try:
            value = self._ask(function, node)
        except Exception:  # noqa: BLE001  the node itself will say what is wrong with its inputs
            return False, None
        found[node.id] = value
        reliable = value == value  # not so for NaN, with which a node says that it has to run every time
        return reliable, value

    def _check_node(self, node: Node, _info: NodeInfo) -> str | None:
        check = self.registry[node.class_type].validate
        if check is None:
            return None
        names = [name for name in node.inputs if accepts(check, name)]
        if not names or any(isinstance(node.inputs[name], Link) for name in names):
            return None  # what a link brings is only known when it runs
        message = self._ask(check, node)
        return None if message is None else f"{names[0]} - {message}"

    def _ask(self, function: Callable[..., Any], node: Node) -> Any:
        """Call *function* with those inputs that it names, None for linked ones, and the folders."""
        inputs = {
            name: None if isinstance(value, Link) else value
            for name, value in node.inputs.items()
            if accepts(function, name)
        }
        return function(**inputs, folders=self.folders)


class _EngineInfo(ObjectInfo):
    """What validation goes by: as `Engine.object_info`, but a class that checks an input itself has no list to obey."""

    def __init__(self, registry: Registry, folders: Folders) -> None:
        super().__init__(registry.object_info())
        self._registry = registry
        self._folders = folders
        self._live = {name for name, node_class in registry.items() if _lists_files(node_class)}

    def __getitem__(self, class_type: str) -> NodeInfo:
        if class_type not in self._live:
            return super().__getitem__(class_type)
        node_class = self._registry[class_type]
        info = parse_node_info(class_type, describe(node_class, self._folders))
        check = node_class.validate
        inputs = {
            name: replace(each, choices_checked=each.choices_checked and not (check and accepts(check, name)))
            for name, each in info.inputs.items()
        }
        return replace(info, inputs=inputs)


def _lists_files(node_class: NodeClass) -> bool:
    return any(spec.folder is not None for spec in node_class.inputs.values())


def refuse_invalid(prepared: Prepared, registry: Registry, missing_hint: str = MISSING_HINT) -> None:
    """
    Return, unless something is wrong with a prompt.

    Raises:
        PromptInvalid: With what to do, where a class is missing that the engine does not have.
    """
    missing = sorted({node.class_type for node in prepared.graph.nodes.values() if node.class_type not in registry})
    if missing:
        raise PromptInvalid(
            f"the engine has no node class {', '.join(missing)}",
            error=prepared.validation.error,
            node_errors=prepared.validation.node_errors(),
            hint=missing_hint,
        )
    prepared.validation.raise_if_invalid()


def _files_of(outcome: Outcome, folders: Folders) -> Iterator[Path]:
    for ui in outcome.outputs.values():
        for _, entry in shown_files(ui):
            with suppress(ValueError):  # kept somewhere else, by a node of the user's own
                yield file_path(entry["filename"], entry.get("subfolder", ""), entry.get("type", "output"), folders)


def _subgraph(graph: PromptGraph, node_ids: Collection[str]) -> PromptGraph:
    return PromptGraph({node_id: node for node_id, node in graph.nodes.items() if node_id in node_ids})


def _with_fingerprints(document: JSONObject, found: Mapping[str, JSON]) -> JSONObject:
    # ComfyUI embeds a loaded file's digest into what is saved, and its clients look for it there.
    return {
        node_id: {**raw, "is_changed": [found[node_id]]} if node_id in found else raw
        for node_id, raw in document.items()
    }
