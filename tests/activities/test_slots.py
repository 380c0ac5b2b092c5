"""The slots of one worker are shared fairly between projects."""

import asyncio

from activities.slots import Slots


async def hold(slots: Slots, owner: str, served: list[str], done: asyncio.Event) -> None:
    async with slots.one(owner):
        served.append(owner)
        await done.wait()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_small_project_is_served_next_however_long_the_queue_of_a_big_one() -> None:
    slots, served, done = Slots(2), [], asyncio.Event()
    tasks = [asyncio.create_task(hold(slots, "bulk", served, done)) for _ in range(10)]
    await settle()
    tasks.append(asyncio.create_task(hold(slots, "small", served, done)))
    await settle()
    assert served == ["bulk", "bulk"]
    done.set()
    await asyncio.gather(*tasks)
    assert served[2] == "small"
    assert len(served) == 11


async def test_never_more_than_the_slots_are_held_and_all_are_served() -> None:
    slots, held, most = Slots(3), 0, 0

    async def work(owner: str) -> None:
        nonlocal held, most
        async with slots.one(owner):
            held += 1
            most = max(most, held)
            await asyncio.sleep(0)
            held -= 1

    await asyncio.gather(*(work(f"p{n % 4}") for n in range(50)))
    assert (most, held) == (3, 0)


async def test_one_who_leaves_while_waiting_gives_its_turn_to_the_next() -> None:
    slots, served, done = Slots(1), [], asyncio.Event()
    first = asyncio.create_task(hold(slots, "a", served, done))
    await settle()
    leaver = asyncio.create_task(hold(slots, "b", served, done))
    after = asyncio.create_task(hold(slots, "c", served, done))
    await settle()
    leaver.cancel()
    done.set()
    await asyncio.gather(first, after)
    assert served == ["a", "c"]
    assert leaver.cancelled()


async def test_a_turn_that_comes_in_the_moment_of_leaving_is_not_lost() -> None:
    slots, served, done = Slots(1), [], asyncio.Event()
    done.set()
    first = asyncio.create_task(hold(slots, "a", served, done))
    leaver = asyncio.create_task(hold(slots, "b", served, done))
    after = asyncio.create_task(hold(slots, "c", served, done))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    leaver.cancel()
    await asyncio.gather(first, leaver, after, return_exceptions=True)
    async with asyncio.timeout(1), slots.one("d"):
        assert "c" in served
