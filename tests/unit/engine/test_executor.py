"""The engine as a whole: which nodes run, what they are given, what comes of it."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comfypipe._types import JSON, JSONObject
from comfypipe.engine import events
from comfypipe.engine.executor import Engine
from comfypipe.engine.interruption import Interruption
from comfypipe.engine.outcome import Outcome
from comfypipe.engine.registry import (
    Context,
    Folders,
    NodeClass,
    OutputSpec,
    Registry,
    Result,
    combo,
    files,
    integer,
    number,
    optional,
    outputs,
    required,
)
from comfypipe.errors import PromptInvalid
from comfypipe.prompt.graph import PromptGraph


class Recorder:
    """A registry of small nodes that note how they are called."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.fingerprint: JSON = 1

    def note(self, *values: Any) -> None:
        """Remember a call."""
        self.calls.append(values)

    def registry(self) -> Registry:
        """Return the node classes."""
        any_of = outputs("INT")
        return Registry(
            [
                NodeClass("Number", self._number, {"value": integer(0, -100, 100)}, any_of),
                NodeClass("Add", self._add, {"a": integer(0), "b": optional("INT")}, any_of),
                NodeClass("Literals", self._literals, _literal_inputs(), (), output_node=True),
                NodeClass("Split", self._split, {"count": integer(1)}, (OutputSpec("INT", is_list=True),)),
                NodeClass("Sum", self._sum, {"values": integer(0)}, any_of, input_is_list=True),
                NodeClass("Show", self._show, {"value": required("*")}, (), output_node=True),
                NodeClass("Save", self._save, {"value": required("*")}, (), output_node=True),
                NodeClass("Fail", self._fail, {"value": integer(0)}, any_of),
                NodeClass("Read", self._read, {"file": files("", ".txt")}, any_of, fingerprint=self._print),
                NodeClass("Load", self._read, {"file": files("", ".txt")}, any_of, validate=self._check),
                NodeClass("Switch", self._switch, _switch_inputs(), any_of, lazy=self._needed),
                NodeClass("Steps", self._steps, {"value": integer(0)}, any_of),
                NodeClass("Wrong", lambda value: (value, value), {"value": integer(0)}, any_of),
                NodeClass("Image", self._image, {"side": integer(1)}, outputs("IMAGE")),
                NodeClass("Corner", self._corner, {"image": required("IMAGE")}, outputs("IMAGE")),
            ]
        )

    def _number(self, value: int) -> tuple[int]:
        self.note("Number", value)
        return (value,)

    def _add(self, a: int, b: int = 1000) -> tuple[int]:
        self.note("Add", a, b)
        return (a + b,)

    def _literals(self, **inputs: Any) -> tuple[()]:
        self.note("Literals", inputs)
        return ()

    def _split(self, count: int) -> tuple[list[int]]:
        return (list(range(count)),)

    def _sum(self, values: list[int]) -> tuple[int]:
        self.note("Sum", values)
        return (sum(values),)

    def _show(self, value: Any) -> Result:
        self.note("Show", value)
        return Result(ui={"value": [value]})

    def _save(self, value: Any, context: Context) -> Result:
        context.folders.output.mkdir(parents=True, exist_ok=True)
        name = f"{len(list(context.folders.output.iterdir()))}.txt"
        (context.folders.output / name).write_text(str(value))
        self.note("Save", context.node_id, context.prompt, context.extra_pnginfo)
        return Result(ui={"texts": [{"filename": name, "subfolder": "", "type": "output"}]})

    def _fail(self, value: int) -> tuple[int]:
        raise ValueError(f"boom {value}")

    def _read(self, file: str) -> tuple[int]:
        self.note("Read", file)
        return (len(file),)

    def _print(self, file: str, folders: Folders) -> JSON:
        if file == "broken":
            raise FileNotFoundError(file)
        return self.fingerprint

    def _check(self, file: str, folders: Folders) -> str | None:
        return None if (folders.input / file).is_file() else f"Invalid file: {file}"

    def _switch(self, on: bool, yes: Any = None, no: Any = None) -> tuple[Any]:
        self.note("Switch", on, yes, no)
        return (yes if on else no,)

    def _needed(self, on: bool, yes: Any = None, no: Any = None) -> Sequence[str]:
        return ["yes"] if on else ["no"]

    def _steps(self, value: int, context: Context) -> tuple[int]:
        for step in range(1, 4):
            context.progress(step, 3)
        self.note("Steps", value)
        return (value,)

    def _image(self, side: int) -> tuple[Any]:
        self.note("Image", side)
        return (np.zeros((1, side, side, 3), np.float32),)

    def _corner(self, image: Any) -> tuple[Any]:
        image[0, 0, 0, 0] = 1
        return (image,)


def _literal_inputs() -> dict[str, Any]:
    return {
        "i": integer(0),
        "f": number(0.0),
        "s": required("STRING"),
        "b": required("BOOLEAN"),
        "c": combo("x", 1),
        "any": required("*"),
        "left_out": optional("INT"),
    }


def _switch_inputs() -> dict[str, Any]:
    return {"on": required("BOOLEAN"), "yes": optional("INT", lazy=True), "no": optional("INT", lazy=True)}


@pytest.fixture
def recorder() -> Recorder:
    """Return what the nodes write to."""
    return Recorder()


@pytest.fixture
def engine(recorder: Recorder, tmp_path: Path) -> Engine:
    """Return an engine of the small nodes."""
    folders = Folders(tmp_path / "input", tmp_path / "output", tmp_path / "temp")
    return Engine(folders, recorder.registry())


def node(class_type: str, /, **inputs: JSON) -> JSONObject:
    """Return a node in API format."""
    return {"class_type": class_type, "inputs": inputs}


def run(engine: Engine, prompt: JSONObject, **options: Any) -> Outcome:
    """Run a prompt."""
    return engine.run(prompt, prompt_id="p", **options)


def shown(outcome: Outcome) -> dict[str, Any]:
    """Return what the Show nodes show."""
    return {node_id: ui["value"] for node_id, ui in outcome.outputs.items()}


def test_values_pass_along_links(engine: Engine) -> None:
    """A node gets what the nodes that it is linked to gave."""
    prompt = {"1": node("Number", value=2), "2": node("Add", a=["1", 0], b=3), "3": node("Show", value=["2", 0])}
    assert {"3": [5]} == shown(run(engine, prompt))


def test_a_graph_runs_like_its_document(engine: Engine) -> None:
    """A parsed graph may be given as well."""
    graph = PromptGraph.parse({"1": node("Show", value=7)})
    assert {"1": [7]} == shown(engine.run(graph, prompt_id="p"))


def test_optional_input_left_out_takes_the_functions_default(engine: Engine) -> None:
    """What is not in the prompt is not passed."""
    assert {"2": [1001]} == shown(run(engine, {"1": node("Add", a=1), "2": node("Show", value=["1", 0])}))


def test_literals_are_converted(engine: Engine, recorder: Recorder) -> None:
    """INT, FLOAT, STRING and BOOLEAN literals become what they are declared as; choices and others stay."""
    inputs = {"i": "7", "f": 1, "s": 5, "b": "false", "c": 1, "any": {"__value__": [1, 2]}, "undeclared": 1}
    run(engine, {"1": node("Literals", **inputs)})
    expected = {"i": 7, "f": 1.0, "s": "5", "b": True, "c": 1, "any": [1, 2]}
    assert [("Literals", expected)] == recorder.calls
    assert list(map(type, expected.values())) == list(map(type, recorder.calls[0][1].values()))


def test_lists_fan_out_and_short_ones_repeat_their_last(engine: Engine, recorder: Recorder) -> None:
    """Behind an output that is a list a node runs once for each item."""
    prompt = {
        "three": node("Split", count=3),
        "two": node("Split", count=2),
        "add": node("Add", a=["three", 0], b=["two", 0]),
        "show": node("Show", value=["add", 0]),
    }
    assert {"show": [0, 2, 3]} == shown(run(engine, prompt))
    assert [("Add", 0, 0), ("Add", 1, 1), ("Add", 2, 1)] == [each for each in recorder.calls if each[0] == "Add"]


def test_class_that_takes_lists_runs_once(engine: Engine, recorder: Recorder) -> None:
    """With input_is_list every input is the whole list."""
    prompt = {"1": node("Split", count=4), "2": node("Sum", values=["1", 0]), "3": node("Show", value=["2", 0])}
    assert {"3": [6]} == shown(run(engine, prompt))
    assert ("Sum", [0, 1, 2, 3]) in recorder.calls


def test_empty_list_is_an_error_that_names_the_input(engine: Engine) -> None:
    """Nothing to run on is said, not skipped."""
    prompt = {"1": node("Split", count=0), "2": node("Add", a=["1", 0]), "3": node("Show", value=["2", 0])}
    assert "Add got an empty list for its input a\n" == failure(run(engine, prompt)).message


def test_only_what_outputs_need_runs(engine: Engine, recorder: Recorder) -> None:
    """Nodes that lead to no wanted output are left alone."""
    prompt = {
        "1": node("Number", value=1),
        "2": node("Number", value=2),
        "3": node("Show", value=["1", 0]),
        "4": node("Show", value=["2", 0]),
        "5": node("Add", a=["2", 0]),
    }
    run(engine, prompt, outputs=["3"])
    assert [("Number", 1), ("Show", 1)] == recorder.calls


def test_lazy_inputs_run_only_when_asked_for(engine: Engine, recorder: Recorder) -> None:
    """The branch that a switch does not take does not run."""
    prompt = {
        "1": node("Number", value=1),
        "2": node("Number", value=2),
        "s": node("Switch", on=False, yes=["1", 0], no=["2", 0]),
        "o": node("Show", value=["s", 0]),
    }
    assert {"o": [2]} == shown(run(engine, prompt))
    assert [("Number", 2), ("Switch", False, None, 2), ("Show", 2)] == recorder.calls


def test_second_run_is_answered_by_the_cache(engine: Engine, recorder: Recorder) -> None:
    """The same content does not run again, whatever its ids; output nodes show what they showed before."""
    run(engine, {"1": node("Number", value=1), "2": node("Show", value=["1", 0])})
    again = run(engine, {"a": node("Number", value=1), "b": node("Show", value=["a", 0])})
    assert 2 == len(recorder.calls)
    assert (("a", "b"), {"b": [1]}) == (again.cached, shown(again))


def test_changed_literal_runs_what_depends_on_it(engine: Engine, recorder: Recorder) -> None:
    """Other nodes keep their results."""
    prompt = {"1": node("Number", value=1), "2": node("Add", a=["1", 0], b=1), "3": node("Show", value=["2", 0])}
    run(engine, prompt)
    recorder.calls.clear()
    changed = run(engine, {**prompt, "2": node("Add", a=["1", 0], b=2)})
    assert (("1",), [("Add", 1, 2), ("Show", 3)]) == (changed.cached, recorder.calls)


def test_twin_nodes_run_once(engine: Engine, recorder: Recorder) -> None:
    """Two nodes of the same content in one prompt are one piece of work, and both show it."""
    prompt = {"1": node("Show", value=7), "2": node("Show", value=7)}
    assert {"1": [7], "2": [7]} == shown(run(engine, prompt))
    assert [("Show", 7)] == recorder.calls


def test_fingerprint_decides_whether_a_file_is_read_again(engine: Engine, recorder: Recorder) -> None:
    """Same name, other bytes: the node runs again, and so does what follows; NaN runs every time."""
    prompt = {"1": node("Read", file="a.txt"), "2": node("Show", value=["1", 0])}
    engine.folders.input.mkdir()
    (engine.folders.input / "a.txt").touch()
    counts = []
    for fingerprint in (1, 1, 2, float("nan"), float("nan")):
        recorder.fingerprint = fingerprint
        run(engine, prompt)
        counts.append(len(recorder.calls))
    assert [2, 2, 4, 6, 8] == counts


def test_output_whose_file_is_gone_runs_again(engine: Engine, recorder: Recorder) -> None:
    """The cache does not promise files that somebody has deleted."""
    prompt = {"1": node("Number", value=1), "2": node("Save", value=["1", 0])}
    run(engine, prompt)
    (engine.folders.output / "0.txt").unlink()
    again = run(engine, prompt)
    assert (("1",), True) == (again.cached, (engine.folders.output / "0.txt").is_file())


def test_embedded_prompt_has_converted_literals_and_digests(engine: Engine, recorder: Recorder) -> None:
    """What saving nodes embed is the prompt as it ran: converted, with ``is_changed`` of files, else as it came."""
    engine.folders.input.mkdir()
    (engine.folders.input / "a.txt").touch()
    prompt = {
        "1": {"inputs": {"file": "a.txt"}, "class_type": "Read", "_meta": {"title": "T"}},
        "2": node("Add", a="5", b=["1", 0]),
        "3": node("Save", value=["2", 0]),
    }
    run(engine, prompt, extra_pnginfo={"workflow": {"id": 1}})
    embedded = {
        "1": {"inputs": {"file": "a.txt"}, "class_type": "Read", "_meta": {"title": "T"}, "is_changed": [1]},
        "2": node("Add", a=5, b=["1", 0]),
        "3": node("Save", value=["2", 0]),
    }
    assert ("Save", "3", embedded, {"workflow": {"id": 1}}) == recorder.calls[-1]


def test_error_of_a_node_in_comfyuis_shape(engine: Engine) -> None:
    """The failing node, what it was given, what had run, and the traceback from the node's own code on."""
    prompt = {
        "1": node("Number", value=1),
        "2": node("Fail", value=["1", 0]),
        "3": node("Show", value=["2", 0]),
        "4": node("Show", value=["1", 0]),
    }
    outcome = run(engine, prompt)
    found = failure(outcome)
    assert ("2", "Fail", "boom 1\n", "ValueError") == (
        found.node_id,
        found.class_type,
        found.message,
        found.exception_type,
    )
    assert (("1", "4"), {"value": [1]}, ("1", "2", "3", "4")) == (
        found.executed,
        found.current_inputs,
        found.known_nodes,
    )
    assert ["_fail"] == [each.split(" in ")[1].split("\n")[0] for each in found.traceback]
    assert {"4": [1]} == shown(outcome), "what was made before the failure is kept"


def test_arrays_are_described_in_errors(engine: Engine) -> None:
    """A picture is named by shape and type; writing into it is the error here."""
    prompt = {"1": node("Image", side=2), "2": node("Corner", image=["1", 0]), "3": node("Show", value=["2", 0])}
    found = failure(run(engine, prompt))
    assert {"image": ["array(shape=(1, 2, 2, 3), dtype=float32)"]} == found.current_inputs
    assert "read-only" in found.message


def test_wrong_number_of_results_is_an_error(engine: Engine) -> None:
    """A node that breaks its declaration is told so."""
    outcome = run(engine, {"1": node("Wrong", value=1), "2": node("Show", value=["1", 0])})
    assert "Wrong returned 2 values for its 1 outputs\n" == failure(outcome).message


def test_failed_node_runs_again_next_time(engine: Engine) -> None:
    """A failure is not kept."""
    prompt = {"1": node("Fail", value=1), "2": node("Show", value=["1", 0])}
    assert [(), ()] == [run(engine, prompt).cached, run(engine, prompt).cached]


def test_events_come_in_comfyuis_order(engine: Engine) -> None:
    """Start, cached, and for each node: started, progress, output, finished; then the end."""
    prompt = {"1": node("Steps", value=1), "2": node("Show", value=["1", 0])}
    told: list[events.Event] = []
    outcome = run(engine, prompt, listener=told.append)
    assert [
        "RunStarted",
        "NodesCached",
        "NodeStarted 1",
        "NodeProgressed 1",
        "NodeProgressed 1",
        "NodeProgressed 1",
        "NodeFinished 1",
        "NodeStarted 2",
        "NodeOutput 2",
        "NodeFinished 2",
        "RunSucceeded",
    ] == [named(each) for each in told]
    assert [(1, 3), (2, 3), (3, 3)] == [
        (each.value, each.maximum) for each in told if isinstance(each, events.NodeProgressed)
    ]
    assert outcome.end is told[-1]


def test_cached_outputs_are_told_again(engine: Engine) -> None:
    """A wholly cached run tells its outputs and nothing else."""
    prompt = {"1": node("Steps", value=1), "2": node("Show", value=["1", 0])}
    run(engine, prompt)
    told: list[events.Event] = []
    run(engine, prompt, listener=told.append)
    assert ["RunStarted", "NodesCached", "NodeOutput 2", "NodeFinished 2", "RunSucceeded"] == list(map(named, told))


def test_nodes_are_timed(engine: Engine) -> None:
    """Each node that ran has its seconds, within those of the run."""
    outcome = run(engine, {"1": node("Number", value=1), "2": node("Show", value=["1", 0])})
    assert ["1", "2"] == list(outcome.node_seconds)
    assert 0 < sum(outcome.node_seconds.values()) <= outcome.seconds


def test_interrupted_before_the_next_node(engine: Engine, recorder: Recorder) -> None:
    """A request that comes while a node runs stops the run before the next one."""

    def listener(event: events.Event) -> None:
        if isinstance(event, events.NodeStarted) and event.node_id == "2":
            assert engine.interrupt("p")

    prompt = {"1": node("Number", value=1), "2": node("Add", a=["1", 0]), "3": node("Show", value=["2", 0])}
    end = run(engine, prompt, listener=listener).end
    assert isinstance(end, events.RunInterrupted)
    assert ("2", "Add", ("1",)) == (end.node_id, end.class_type, end.executed)
    assert [("Number", 1)] == recorder.calls


def test_interrupted_at_progress(engine: Engine, recorder: Recorder) -> None:
    """A node that reports progress stops in its middle."""

    def listener(event: events.Event) -> None:
        if isinstance(event, events.NodeProgressed) and event.value == 2:
            engine.interrupt()

    outcome = run(engine, {"1": node("Steps", value=1), "2": node("Show", value=["1", 0])}, listener=listener)
    assert isinstance(outcome.end, events.RunInterrupted)
    assert [] == recorder.calls


def test_interruption_asked_for_before_the_start_counts(engine: Engine) -> None:
    """A run that its caller gave up while it waited for its turn does not run a single node."""
    interruption = Interruption()
    interruption.request()
    prepared = engine.prepare({"1": node("Show", value=1)})
    outcome = engine.execute(prepared, prompt_id="p", interruption=interruption)
    assert isinstance(outcome.end, events.RunInterrupted)
    assert {} == outcome.outputs


def test_interrupt_of_another_run_or_of_none(engine: Engine) -> None:
    """Only the run that is meant is stopped; where nothing runs nothing happens."""

    def listener(event: events.Event) -> None:
        assert not engine.interrupt("another")

    assert not engine.interrupt()
    assert run(engine, {"1": node("Show", value=1)}, listener=listener).succeeded
    assert run(engine, {"1": node("Show", value=2)}).succeeded


def test_one_prompt_at_a_time(engine: Engine) -> None:
    """Prompts from several threads run one after the other."""
    order: list[str] = []
    threads = [threading.Thread(target=_noted_run, args=(engine, index, order.append)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [order[index : index + 2] for index in range(0, 16, 2)] == [[each, each] for each in order[::2]]


def _noted_run(engine: Engine, index: int, note: Callable[[str], None]) -> None:
    def listener(event: events.Event) -> None:
        if isinstance(event, (events.RunStarted, events.RunSucceeded)):
            note(event.prompt_id)

    engine.run({"1": node("Show", value=index)}, prompt_id=str(index), listener=listener)


def test_unknown_class_is_refused_with_what_to_do(engine: Engine) -> None:
    """The class is named, and where it could run."""
    with pytest.raises(PromptInvalid, match="KSampler") as caught:
        run(engine, {"1": node("KSampler", seed=1), "2": node("Show", value=["1", 0])})
    assert "invalid_prompt" == caught.value.error["type"]
    assert "--backend http://" in (caught.value.hint or "")


def test_missing_file_is_refused_before_anything_runs(engine: Engine, recorder: Recorder) -> None:
    """A class's own check names the input, in ComfyUI's words."""
    with pytest.raises(PromptInvalid) as caught:
        run(engine, {"1": node("Load", file="no.txt"), "2": node("Show", value=["1", 0])})
    (error,) = caught.value.node_errors["1"]["errors"]
    assert ("custom_validation_failed", "file - Invalid file: no.txt") == (error["type"], error["details"])
    assert [] == recorder.calls


def test_file_lists_are_obeyed_where_a_class_has_no_check_of_its_own(engine: Engine) -> None:
    """A file that is not in the folder is not in the list; once it is there, it is."""
    prompt = {"1": node("Read", file="late.txt"), "2": node("Show", value=["1", 0])}
    with pytest.raises(PromptInvalid) as caught:
        run(engine, prompt)
    assert "value_not_in_list" == caught.value.node_errors["1"]["errors"][0]["type"]
    engine.folders.input.mkdir()
    (engine.folders.input / "late.txt").touch()
    assert run(engine, prompt).succeeded


def test_valid_outputs_run_beside_invalid_ones_where_asked(engine: Engine) -> None:
    """A server runs what can run; `run` refuses the whole."""
    prompt = {"1": node("Show", value=1), "2": node("Number", value=101), "3": node("Show", value=["2", 0])}
    prepared = engine.prepare(prompt)
    assert {"1": [1]} == shown(engine.execute(prepared, prompt_id="p"))
    with pytest.raises(PromptInvalid):
        run(engine, prompt)


def test_long_chain(engine: Engine) -> None:
    """Two thousand nodes in a row run."""
    chain = {str(index): node("Add", a=[str(index - 1), 0], b=1) for index in range(1, 2000)}
    prompt = {"0": node("Number", value=0), **chain, "end": node("Show", value=["1999", 0])}
    assert {"end": [1999]} == shown(run(engine, prompt))


def test_values_are_let_go_when_nobody_reads_them_any_more(recorder: Recorder, tmp_path: Path) -> None:
    """Without a cache, a chain of pictures holds two at a time, however long it is."""
    alive: list[int] = []
    living = 0

    class Picture:
        def __init__(self) -> None:
            nonlocal living
            living += 1
            alive.append(living)

        def __del__(self) -> None:
            nonlocal living
            living -= 1

    registry = Registry(
        [
            NodeClass("Draw", lambda source=None: (Picture(),), {"source": optional("P")}, outputs("P")),
            NodeClass("Show", lambda source: Result(ui={}), {"source": required("P")}, (), output_node=True),
        ]
    )
    chain = {str(index): node("Draw", source=[str(index - 1), 0]) for index in range(1, 20)}
    prompt = {"0": node("Draw"), **chain, "end": node("Show", source=["19", 0])}
    engine = Engine(Folders(tmp_path, tmp_path, tmp_path), registry, cache_bytes=0)
    assert run(engine, prompt).succeeded
    assert (2, 0) == (max(alive), living)


def test_same_run_gives_the_same(engine: Engine) -> None:
    """Two engines give the same outcome, apart from times."""
    prompt = {"1": node("Split", count=3), "2": node("Sum", values=["1", 0]), "3": node("Show", value=["2", 0])}
    other = Engine(engine.folders, Recorder().registry())
    assert shown(run(engine, prompt)) == shown(run(other, prompt))


def failure(outcome: Outcome) -> events.RunFailed:
    """Return how a run failed."""
    assert isinstance(outcome.end, events.RunFailed)
    return outcome.end


def named(event: events.Event) -> str:
    """Return an event's name and node."""
    return f"{type(event).__name__} {getattr(event, 'node_id', '')}".strip()
