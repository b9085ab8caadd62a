"""Which prompt goes to which server."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfypipe.backends.comfyui.scheduler import Assignment, Costs, Models, ServerView, Waiting, decide, rank_of

A, B, C = (frozenset({f"{name}.safetensors"}) for name in "abc")
NONE: Models = frozenset()


def waiting(*models: Models, waited_s: float = 0.0, accelerator: Sequence[str] = ()) -> list[Waiting]:
    """Return prompts that need these models, called 0, 1 and so on."""
    return [
        Waiting(str(index), each, tuple(accelerator), waited_s=waited_s - index / 1000)
        for index, each in enumerate(models)
    ]


def pairs(assignments: Sequence[Assignment]) -> list[tuple[str, str]]:
    """Return keys with servers."""
    return [(each.key, each.server) for each in assignments]


def test_idle_servers_come_first_and_queues_fill_up_to_their_depth() -> None:
    """Each server gets one before any gets a second; what is over waits on."""
    servers = [ServerView("s"), ServerView("t", depth=3), ServerView("u", queued=2)]
    decided = decide(waiting(*[NONE] * 9), servers)
    assert [("0", "s"), ("1", "t"), ("2", "s"), ("3", "t"), ("4", "t")] == pairs(decided)


def test_prompts_go_to_the_server_that_holds_their_models() -> None:
    """Even when another one is idle, and in the order of arrival."""
    servers = [ServerView("s", models=A), ServerView("t", models=B, queued=1)]
    assert [("1", "s"), ("0", "t"), ("2", "s")] == pairs(decide(waiting(B, A, A), servers))


def test_models_that_nobody_holds_go_to_an_idle_server_the_largest_pile_first() -> None:
    """A server that still runs something is left alone: what it holds may be wanted again at any moment."""
    servers = [ServerView("s", models=A), ServerView("t", models=C, queued=1)]
    assert [("1", "s"), ("2", "s")] == pairs(decide(waiting(frozenset({"d.safetensors"}), B, B), servers))


def test_server_that_has_most_of_the_models_is_preferred() -> None:
    """Of two that would have to load, the one that loads less does."""
    servers = [ServerView("s", models=C), ServerView("t", models=A)]
    assert [("0", "t")] == pairs(decide(waiting(A | B), servers))


@pytest.mark.parametrize(("pile", "helps"), [(3, False), (20, True)])
def test_idle_server_helps_with_a_pile_that_is_worth_a_load(pile: int, helps: bool) -> None:
    """It loads what another server holds when it then works for longer than it loads."""
    servers = [ServerView("s", models=A, queued=2), ServerView("t", models=B)]
    decided = decide(waiting(*[A] * pile), servers, Costs(load_s=5, run_s={A: 1.0}))
    assert ([("0", "t"), ("1", "t")] if helps else []) == pairs(decided)


def test_first_choice_comes_first_and_a_free_later_choice_next() -> None:
    """Of idle servers the first choice is taken; a server of which nothing is said comes last."""
    servers = [ServerView("x"), ServerView("big", "H100"), ServerView("small", "L4"), ServerView("old", "T4")]
    decided = decide(waiting(*[NONE] * 4, accelerator=("L4", "H100")), servers)
    assert ["small", "big", "x", "small"] == [each.server for each in decided]


def test_barred_servers_get_nothing() -> None:
    """Nor is anything assigned where none is left."""
    barred = [Waiting("0", barred=frozenset("s")), Waiting("1", barred=frozenset("st"))]
    assert [("0", "t")] == pairs(decide(barred, [ServerView("s"), ServerView("t")]))


def test_server_gives_way_after_its_turn() -> None:
    """Models that none holds have waited for a turn: the server that has held its own longest runs empty for them."""
    others = [replace(each, key=f"b{each.key}") for each in waiting(B, waited_s=130)]
    ours = waiting(*[A] * 5)
    full = ServerView("s", models=A, queued=1, held_s=500)
    fresh = ServerView("t", models=A, queued=1, held_s=100)
    assert [("0", "t")] == pairs(decide(ours + others, [full, fresh]))
    assert [("b0", "s"), ("0", "t")] == pairs(decide(ours + others, [replace(full, queued=0), fresh]))


@pytest.mark.parametrize(
    ("accelerator", "wanted", "rank"),
    [("L4", [], 0), (None, [], 0), ("L4", ["T4", "L4"], 1), ("H100", ["T4"], None), (None, ["T4"], 1000)],
)
def test_rank(accelerator: str | None, wanted: list[str], rank: int | None) -> None:
    """Position among those wanted; a server of which nothing is said does for all, as the last choice."""
    assert rank == rank_of(accelerator, wanted)


@dataclass(slots=True)
class Machine:
    """A server of the simulation: what it holds and what it runs, with the time that is left of each."""

    view: ServerView
    jobs: deque[list[float]] = field(default_factory=deque)


@dataclass(slots=True)
class Course:
    """What happened: by key the time of assignment, the server, and whether it loaded."""

    assigned: dict[str, tuple[float, str]] = field(default_factory=dict)
    loads: Counter[str] = field(default_factory=Counter)
    end_s: float = 0.0


RUN_S, LOAD_S, TURN_S, STEP_S = 1.0, 5.0, 20.0, 1.0


def simulate(arrivals: Sequence[tuple[float, Waiting]], views: Sequence[ServerView], turn_s: float = TURN_S) -> Course:
    """Play arrivals, in seconds, against servers with runs of 1 s and loads of 5 s, until all is done."""
    machines = {each.name: Machine(each) for each in views}
    line: list[tuple[float, Waiting]] = []
    coming = deque(sorted(arrivals, key=lambda each: each[0]))
    course = Course()
    now = 0.0
    costs = Costs(LOAD_S, guess_s=RUN_S)
    while coming or line or any(each.jobs for each in machines.values()):
        while coming and coming[0][0] <= now:
            line.append(coming.popleft())
        seen = [replace(each, waited_s=now - since) for since, each in line]
        decided = decide(
            seen, [replace(each.view, queued=len(each.jobs)) for each in machines.values()], costs, turn_s=turn_s
        )
        idle = all(not each.jobs for each in machines.values())
        assert decided or not line or not idle, "everybody is idle, and somebody waits"
        by_key = {each.key: each for _, each in line}
        for each in decided:
            send(by_key[each.key], machines[each.server], course, now)
        gone = {each.key for each in decided}
        line = [each for each in line if each[1].key not in gone]
        now += STEP_S
        for machine in machines.values():
            advance(machine)
        assert now < 100_000
    course.end_s = now
    return course


def send(job: Waiting, machine: Machine, course: Course, now: float) -> None:
    """Do what an assignment says, and hold it to the rules."""
    view = machine.view
    assert job.key not in course.assigned
    assert view.name not in job.barred
    assert rank_of(view.accelerator, job.accelerator) is not None
    course.assigned[job.key] = now, view.name
    cold = not job.models <= view.models
    if cold:
        assert not machine.jobs, "other models are only loaded by a server that has run empty"
        course.loads[view.name] += 1
        machine.view = replace(view, models=job.models, held_s=0.0)
    machine.jobs.append([RUN_S + (LOAD_S if cold else 0.0)])
    assert len(machine.jobs) <= view.depth


def advance(machine: Machine) -> None:
    """Let one step of time pass."""
    machine.view = replace(machine.view, held_s=machine.view.held_s + STEP_S)
    if machine.jobs:
        machine.jobs[0][0] -= STEP_S
        if machine.jobs[0][0] <= 0:
            machine.jobs.popleft()


KINDS = st.sampled_from([NONE, A, B, C, A | B])
WANTED = st.sampled_from([(), ("L4",), ("L4", "H100"), ("H100", "L4"), ("T4", "L4")])


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), KINDS, WANTED, st.sampled_from(["", "s0", "s1"])), max_size=60),
    st.lists(st.tuples(st.sampled_from(["L4", "H100", "T4", None]), st.integers(1, 3)), min_size=1, max_size=4),
)
def test_every_prompt_that_can_run_runs_within_the_rules(
    jobs: list[tuple[int, Models, tuple[str, ...], str]], servers: list[tuple[str | None, int]]
) -> None:
    """Whatever comes, each runs once, where it may; no queue is longer than its depth; all ends."""
    views = [ServerView(f"s{index}", accelerator, depth) for index, (accelerator, depth) in enumerate(servers)]
    arrivals = [
        (float(when), Waiting(str(index), models, wanted, frozenset(filter(None, [barred]))))
        for index, (when, models, wanted, barred) in enumerate(jobs)
    ]
    possible = {
        each.key
        for _, each in arrivals
        if any(
            rank_of(view.accelerator, each.accelerator) is not None and view.name not in each.barred for view in views
        )
    }
    course = simulate([each for each in arrivals if each[1].key in possible], views)
    assert possible == set(course.assigned)


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 30))
def test_nobody_starves_under_a_stream_that_never_ends(servers: int, depth: int, others: int) -> None:
    """Prompts of other models are begun within two turns, however many of the first keep coming."""
    views = [ServerView(f"s{index}", depth=depth) for index in range(servers)]
    stream = [(float(when), Waiting(f"a{when}-{copy}", A)) for when in range(120) for copy in range(servers + 1)]
    rare = [(50.0, Waiting(f"b{index}", B)) for index in range(others)]
    course = simulate([*stream, *rare], views)
    assert course.assigned["b0"][0] - 50.0 <= 2 * TURN_S + depth * RUN_S + LOAD_S


def test_prompts_of_the_same_models_keep_their_order() -> None:
    """What came first is sent first, among those alike."""
    arrivals = [(float(index % 7), Waiting(f"{index:03}", (A, B, C)[index % 3])) for index in range(90)]
    course = simulate(arrivals, [ServerView("s"), ServerView("t")])
    order = {key: position for position, key in enumerate(course.assigned)}
    for models in (A, B, C):
        alike = sorted((each for each in arrivals if each[1].models == models), key=lambda each: each[0])
        assert sorted(order[each.key] for _, each in alike) == [order[each.key] for _, each in alike]


def test_six_sets_of_models_over_four_servers_load_as_seldom_as_can_be() -> None:
    """Eighty, eighty and four times forty runs: each set is loaded once, and no server is idle before the end."""
    sizes = [80, 80, 40, 40, 40, 40]
    order = sorted((position / size, index) for index, size in enumerate(sizes) for position in range(size))
    sets = [frozenset({f"{index}.gguf"}) for index in range(6)]
    arrivals = [(0.0, Waiting(str(number), sets[index])) for number, (_, index) in enumerate(order)]
    course = simulate(arrivals, [ServerView(f"s{index}") for index in range(4)], turn_s=120.0)
    assert (6, 90.0) == (course.loads.total(), course.end_s)
