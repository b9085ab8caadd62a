"""The cache of node results."""

import numpy as np

from comfypipe.engine.cache import Cache, Entry


def image(side: int) -> Entry:
    """Return an entry that holds about ``4 * side * side`` bytes."""
    return Entry(((np.zeros((side, side), np.float32),),), None)


def test_entry_comes_back() -> None:
    """What was put is what is got."""
    cache = Cache(1_000_000)
    entry = Entry(((1,), ("a", "b")), {"text": ["x"]})
    cache.put(b"k", entry)
    assert entry == cache.get(b"k")


def test_entries_that_hold_next_to_nothing_are_bounded_too() -> None:
    """However small they are, only the last ten thousand stay."""
    cache = Cache(1 << 40)
    for number in range(10_001):
        cache.put(str(number).encode(), Entry(((number,),), None))
    assert (10_000, None) == (len(cache), cache.get(b"0"))


def test_least_recently_used_goes_first() -> None:
    """Over the bound, the entry that was not used for longest is dropped."""
    cache = Cache(100_000)
    cache.put(b"a", image(100))
    cache.put(b"b", image(100))
    cache.get(b"a")
    cache.put(b"c", image(100))
    assert [True, False, True] == [cache.get(key) is not None for key in (b"a", b"b", b"c")]


def test_size_stays_within_the_bound() -> None:
    """However much is put, the values that are kept are within the bound."""
    cache = Cache(100_000)
    for number in range(1000):
        cache.put(number.to_bytes(4), image(number % 120))
        assert cache.size_bytes <= cache.limit_bytes


def test_too_big_an_entry_is_not_kept() -> None:
    """A value over the bound drops nothing else."""
    cache = Cache(50_000)
    cache.put(b"small", image(50))
    cache.put(b"big", image(200))
    assert cache.get(b"small") is not None
    assert cache.get(b"big") is None


def test_endless_small_entries_are_bounded() -> None:
    """Entries without big values count as well."""
    cache = Cache(100_000)
    for number in range(10_000):
        cache.put(number.to_bytes(4), Entry(((number,),), None))
    assert len(cache) < 100


def test_small_view_does_not_keep_a_large_array() -> None:
    """A crop is copied, so that the picture that it was cut from can go."""
    cache = Cache(1_000_000)
    cache.put(b"crop", Entry(((np.zeros((1000, 1000), np.float32)[:8, :8],),), None))
    entry = cache.get(b"crop")
    assert entry is not None
    assert entry.outputs[0][0].base is None


def test_discard_and_clear() -> None:
    """Forgotten entries free their bytes."""
    cache = Cache(1_000_000)
    cache.put(b"a", image(10))
    cache.put(b"b", image(10))
    cache.discard(b"a")
    cache.discard(b"unknown")
    assert (None, 1) == (cache.get(b"a"), len(cache))
    cache.clear()
    assert (0, 0) == (len(cache), cache.size_bytes)
