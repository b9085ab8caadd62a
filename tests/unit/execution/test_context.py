"""Locks by name."""

import asyncio

from comfypipe.execution.context import KeyedLocks


def test_holders_of_one_key_come_one_after_the_other() -> None:
    """Who holds a key keeps others of the same key waiting, in turn, and nobody else."""
    told: list[str] = []
    locks = KeyedLocks()

    async def hold(key: str, who: str) -> None:
        async with locks.hold(key):
            told.append(f"{who} in")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            told.append(f"{who} out")

    async def all_at_once() -> None:
        await asyncio.gather(hold("a", "1"), hold("a", "2"), hold("b", "3"), hold("a", "4"))

    asyncio.run(all_at_once())
    assert ["1 in", "1 out", "2 in", "2 out", "4 in", "4 out"] == [each for each in told if "3" not in each]
    assert told.index("3 in") < told.index("1 out")


def test_a_key_is_free_again_when_its_holder_failed_or_who_waited_was_cancelled() -> None:
    """Neither an error within the block nor a cancelled wait leaves a key taken, or kept at all."""
    locks = KeyedLocks()

    async def fail() -> None:
        async with locks.hold("a"):
            raise LookupError

    async def hold_while(other: asyncio.Event) -> None:
        async with locks.hold("a"):
            await other.wait()

    async def scene() -> None:
        release = asyncio.Event()
        holder = asyncio.create_task(hold_while(release))
        waiter = asyncio.create_task(fail())
        await asyncio.sleep(0)
        waiter.cancel()
        assert isinstance((await asyncio.gather(waiter, return_exceptions=True))[0], asyncio.CancelledError)
        release.set()
        await holder
        assert isinstance((await asyncio.gather(fail(), return_exceptions=True))[0], LookupError)
        async with asyncio.timeout(1), locks.hold("a"):
            pass

    asyncio.run(scene())
    assert {} == vars(locks)["_locks"]
