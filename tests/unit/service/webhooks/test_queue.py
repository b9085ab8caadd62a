"""Which event is attempted next."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from comfypipe.service.webhooks.outbox import PENDING, Event
from comfypipe.service.webhooks.queue import LANE_MOST, SLOW_LANE_MOST, DeliveryQueue, lane_of


def event(number: int, *, host: str = "a", tenant: str = "t", run: str | None = None) -> Event:
    """Return an event for a host."""
    url = f"https://{host}.example/hook/{number}"
    return Event(f"msg_{number}", number, tenant, run or f"run-{number}", "run.started", url, PENDING, 0, 0, 0, None)


def take_all(queue: DeliveryQueue) -> list[Event]:
    """Take what may be attempted now."""
    taken = []
    while (found := queue.take()) is not None:
        taken.append(found)
    return taken


def test_a_lane_is_a_tenant_and_an_origin() -> None:
    """Paths and the case of hosts make no difference; schemes, ports and tenants do."""
    assert ("t", "https://a.example") == lane_of("t", "https://A.example/hook/1")


def test_lanes_take_turns() -> None:
    """A host with many events waiting lets others through between its own."""
    queue = DeliveryQueue(100)
    for number in range(4):
        queue.put(event(number))
    queue.put(event(10, host="b"))
    assert [0, 10, 1, 2, 3] == [each.position for each in take_all(queue)]


def test_a_lane_has_so_many_attempts_at_once() -> None:
    """However many events wait for one host, others have room."""
    queue = DeliveryQueue(1000)
    for number in range(200):
        queue.put(event(number))
    assert LANE_MOST == len(take_all(queue))


def test_a_slow_lane_has_more_at_once_of_less() -> None:
    """What takes long is counted as such while it does, and the events behind it need not wait for it."""
    queue = DeliveryQueue(80)
    for number in range(200):
        queue.put(event(number))
    first = take_all(queue)
    for each in first:
        queue.slow(each)
    more = take_all(queue)
    for each in more:
        queue.slow(each)
    assert (16, 24) == (len(first), len(more))  # half of 80
    queue.put(event(500, host="b"))
    assert [500] == [each.position for each in take_all(queue)]


def test_a_lane_that_was_slow_before_has_more_at_once_from_the_start() -> None:
    """What an earlier process found out about a receiver need not be found out again."""
    queue = DeliveryQueue(1000)
    queue.recall(lane_of("t", "https://a.example/"), prompt=False)
    for number in range(200):
        queue.put(event(number))
    assert SLOW_LANE_MOST == len(take_all(queue))


def under_way(queue: DeliveryQueue, host: str, *, prompt: bool | None) -> int:
    """Return how many attempts a host's lanes get, each of a tenant of its own, once all have been tried."""
    for number in range(200):
        queue.put(event(number, host=host, tenant=str(number)))
    if prompt is not None:
        seen = 0
        while seen < 200:
            for each in take_all(queue):
                seen += 1
                queue.done(each, prompt=prompt)
        for number in range(1000, 1200):
            queue.put(event(number, host=host, tenant=str(number - 1000)))
    return len(take_all(queue))


def test_room_is_kept_for_receivers_that_are_prompt() -> None:
    """Slow receivers have half of all attempts at once, new ones three quarters, prompt ones all of them."""
    found = {prompt: under_way(DeliveryQueue(100), "a", prompt=prompt) for prompt in (False, None, True)}
    assert {False: 50, None: 75, True: 100} == found


def test_later_attempts_at_slow_receivers_leave_room_for_first_ones() -> None:
    """What failed before, where it takes long, has a sixteenth of all attempts at once."""
    queue = DeliveryQueue(160)
    queue.put(event(0))
    for each in take_all(queue):
        queue.done(each, prompt=False)
    for number in range(1, 100):
        queue.put(replace(event(number), tries=1))
    assert 10 == len(take_all(queue))
    queue.put(event(200))
    assert [200] == [each.position for each in take_all(queue)]


def test_first_attempts_go_before_later_ones() -> None:
    """What was never attempted does not wait behind what failed before."""
    queue = DeliveryQueue(100)
    later, first = replace(event(1), tries=3), event(2)
    queue.put(later)
    queue.put(first)
    assert [first, later] == take_all(queue)


def test_hosts_that_never_answer_leave_room_for_others() -> None:
    """A tenant with any number of dead hosts has five eighths of all attempts at most."""
    queue = DeliveryQueue(100)
    for number in range(1000):
        queue.put(event(number, host=f"dead-{number}", tenant="mallory"))
    assert 62 == len(take_all(queue))
    queue.put(event(5000, host="alive", tenant="anna"))
    assert [5000] == [each.position for each in take_all(queue)]


def test_of_a_run_one_event_at_a_time() -> None:
    """The end of a run is not told before the attempt to tell its start is over."""
    queue = DeliveryQueue(100)
    start, end, other = event(1, run="r"), event(2, run="r"), event(3)
    for each in (start, end, other):
        queue.put(each)
    assert [start, other] == take_all(queue)
    queue.done(start, prompt=False)
    assert [end] == take_all(queue)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 9), st.booleans()), max_size=80))
def test_every_event_comes_out_once(given_: list[tuple[int, int, int, bool]]) -> None:
    """Whatever hosts, tenants, runs and answers there are, no event is lost and none comes twice."""
    queue = DeliveryQueue(3)
    events = {
        number: event(number, host=str(host), tenant=str(tenant), run=f"r{run}")
        for number, (host, tenant, run, _) in enumerate(given_)
    }
    for each in events.values():
        queue.put(each)
    seen: list[int] = []
    while taken := take_all(queue):
        assert len(taken) <= 3
        assert len({each.run_id for each in taken}) == len(taken)
        for each in taken:
            seen.append(each.position)
            queue.done(each, prompt=given_[each.position][3])
    assert sorted(events) == sorted(seen)
