"""Who is next."""

from hypothesis import given
from hypothesis import strategies as st

from comfypipe.service.fair import FairQueue


def test_tenants_take_turns() -> None:
    """One run of a tenant that comes late goes before the second of one that has many waiting."""
    queue: FairQueue[str] = FairQueue()
    for number in range(3):
        queue.put("many", f"m{number}")
    queue.put("one", "o0")
    assert ["m0", "o0", "m1", "m2", None] == [queue.take() for _ in range(5)]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_nothing_is_lost_and_order_holds_within_a_tenant(steps: list[tuple[str, bool]]) -> None:
    """Whatever is put, taken and removed: each item comes out once, and those of a tenant in their order."""
    queue: FairQueue[tuple[str, int]] = FairQueue()
    put: list[tuple[str, int]] = []
    out: list[tuple[str, int]] = []
    for number, (tenant, takes) in enumerate(steps):
        queue.put(tenant, (tenant, number))
        put.append((tenant, number))
        if takes and (taken := queue.take()) is not None:
            out.append(taken)
    assert len(put) - len(out) == len(queue)
    while (taken := queue.take()) is not None:
        out.append(taken)
    assert sorted(put) == sorted(out)
    for tenant in "abc":
        assert [each for each in put if each[0] == tenant] == [each for each in out if each[0] == tenant]


def test_what_waits_can_be_removed() -> None:
    """A removed item does not come any more; removing what is not there gives None."""
    queue: FairQueue[int] = FairQueue()
    queue.put("a", 1)
    queue.put("a", 2)
    assert (1, None, None) == (
        queue.remove("a", lambda each: each == 1),
        queue.remove("a", lambda each: each == 1),
        queue.remove("b", lambda _: True),
    )
    assert (2, None, 0) == (queue.take(), queue.take(), len(queue))
