"""Which event is attempted next."""

from hypothesis import given
from hypothesis import strategies as st

from comfypipe.service.webhooks.outbox import PENDING, Event
from comfypipe.service.webhooks.queue import DeliveryQueue, lane_of


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
    one = event(1)
    assert ("t", "https://a.example") == lane_of(one)


def test_lanes_take_turns() -> None:
    """A host with many events waiting lets others through between its own."""
    queue = DeliveryQueue(100)
    for number in range(4):
        queue.put(event(number))
    queue.put(event(10, host="b"))
    assert [0, 10, 1, 2, 3] == [each.position for each in take_all(queue)]


def test_a_host_that_never_answers_gets_two_attempts_at_once() -> None:
    """Every attempt without an answer halves what a lane may have, down to two."""
    queue = DeliveryQueue(1000)
    for number in range(200):
        queue.put(event(number))
    under_way = take_all(queue)
    sizes = [len(under_way)]
    for _ in range(5):
        for each in under_way:
            queue.done(each, answered=False)
        under_way = take_all(queue)
        sizes.append(len(under_way))
    assert [16, 2, 2, 2, 2, 2] == sizes


def test_a_host_that_answers_gets_more() -> None:
    """Whatever the answer is, each one lets a lane have more at once, up to 64."""
    queue = DeliveryQueue(1000)
    for number in range(1000):
        queue.put(event(number))
    under_way = take_all(queue)
    for each in under_way:
        queue.done(each, answered=True)
    assert 64 == len(take_all(queue))


def test_hosts_that_never_answer_leave_room_for_others() -> None:
    """A tenant with any number of dead hosts has three quarters of all attempts at most."""
    queue = DeliveryQueue(100)
    for number in range(1000):
        queue.put(event(number, host=f"dead-{number}", tenant="mallory"))
    assert 75 == len(take_all(queue))
    queue.put(event(5000, host="alive", tenant="anna"))
    assert [5000] == [each.position for each in take_all(queue)]


def test_of_a_run_one_event_at_a_time() -> None:
    """The end of a run is not told before the attempt to tell its start is over."""
    queue = DeliveryQueue(100)
    start, end, other = event(1, run="r"), event(2, run="r"), event(3)
    for each in (start, end, other):
        queue.put(each)
    assert [start, other] == take_all(queue)
    queue.done(start, answered=False)
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
    while under_way := take_all(queue):
        assert len(under_way) <= 3
        assert len({each.run_id for each in under_way}) == len(under_way)
        for each in under_way:
            seen.append(each.position)
            queue.done(each, answered=given_[each.position][3])
    assert sorted(events) == sorted(seen)
