import asyncio
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sinks.http.lanes import Lanes


async def entered(lanes: Lanes, stack: AsyncExitStack, conversation: str) -> bool:
    """Whether the conversation gets a slot at once; it is then held until the stack ends."""
    slot = lanes.slot(conversation)
    try:
        await asyncio.wait_for(stack.enter_async_context(slot), 0.01)
    except TimeoutError:
        return False
    return True


async def test_suspects_get_half_of_the_slots_and_the_others_all() -> None:
    lanes = Lanes(8)
    suspects = [f"s{number}" for number in range(10)]
    for each in suspects:
        lanes.failed(each)
    async with AsyncExitStack() as stack:
        assert [await entered(lanes, stack, each) for each in suspects] == [True] * 4 + [False] * 6
        assert [await entered(lanes, stack, f"c{number}") for number in range(5)] == [True] * 4 + [False]
    async with AsyncExitStack() as stack:
        assert all([await entered(lanes, stack, f"c{number}") for number in range(8)]), "all are given back"


async def test_an_answer_ends_the_suspicion() -> None:
    lanes = Lanes(2)
    lanes.failed("a")
    lanes.failed("b")
    lanes.answered("b")
    async with AsyncExitStack() as stack:
        assert await entered(lanes, stack, "a")
        assert await entered(lanes, stack, "b")


async def test_whoever_failed_least_is_first() -> None:
    lanes = Lanes(1)
    order: list[str] = []
    for conversation, failures in (("often", 3), ("once", 1), ("twice", 2)):
        for _ in range(failures):
            lanes.failed(conversation)

    async def attempt(conversation: str) -> None:
        async with lanes.slot(conversation):
            order.append(conversation)

    async with lanes.slot("busy"):
        waiting = [asyncio.create_task(attempt(each)) for each in ("often", "twice", "once")]
        await asyncio.sleep(0.01)
    await asyncio.gather(*waiting)
    assert order == ["once", "twice", "often"]


async def test_suspects_get_a_turn_though_others_wait_without_end() -> None:
    lanes = Lanes(8)
    lanes.failed("s")
    async with AsyncExitStack() as stack:
        for number in range(7):
            await stack.enter_async_context(lanes.slot(f"c{number}"))
        async with lanes.slot("last"):
            others = [asyncio.create_task(_hold(lanes, f"d{number}")) for number in range(20)]
            await asyncio.sleep(0)
            suspect = asyncio.create_task(_hold(lanes, "s"))
            await asyncio.sleep(0)
        await asyncio.wait_for(suspect, 1)
        assert not all(each.done() for each in others)
        await asyncio.gather(*others)


async def test_suspects_have_an_eighth_while_others_wait() -> None:
    lanes, order, done = Lanes(16), list[str](), asyncio.Event()
    suspects = [f"s{number}" for number in range(4)]
    for each in suspects:
        lanes.failed(each)

    async def attempt(conversation: str) -> None:
        async with lanes.slot(conversation):
            order.append(conversation)
            await done.wait()

    async with AsyncExitStack() as stack:
        for number in range(16):
            await stack.enter_async_context(lanes.slot(f"c{number}"))
        others = [f"d{number}" for number in range(20)]
        waiting = [asyncio.create_task(attempt(each)) for each in (*suspects, *others)]
        await asyncio.sleep(0)
        assert order == []
    await asyncio.sleep(0.01)
    assert (len(order), sum(each in suspects for each in order)) == (16, 2)
    done.set()
    await asyncio.wait_for(asyncio.gather(*waiting), 1)


async def test_only_so_many_suspects_are_remembered() -> None:
    lanes = Lanes(2)
    for number in range(10_001):
        lanes.failed(f"s{number}")
    async with AsyncExitStack() as stack:
        assert await entered(lanes, stack, "s10000")
        assert await entered(lanes, stack, "s0"), "the longest unseen is no suspect any more"
        assert not await entered(lanes, stack, "s1")


async def _hold(lanes: Lanes, conversation: str) -> None:
    async with lanes.slot(conversation):
        await asyncio.sleep(0)


# However attempts begin, wait, fail and are cancelled: never more than allowed run, and in the end all slots are free.
@given(
    slots=st.integers(1, 9),
    attempts=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.booleans(), st.booleans()), max_size=40),
)
def test_no_slot_is_lost_and_none_is_given_twice(slots: int, attempts: list[tuple[int, int, bool, bool]]) -> None:
    async def history() -> None:
        lanes, running = Lanes(slots), 0

        async def attempt(conversation: str, steps: int, fails: bool) -> None:
            nonlocal running
            async with lanes.slot(conversation):
                running += 1
                assert running <= slots
                try:
                    for _ in range(steps):
                        await asyncio.sleep(0)
                    (lanes.failed if fails else lanes.answered)(conversation)
                finally:
                    running -= 1

        tasks = []
        for number, steps, fails, cancelled in attempts:
            tasks.append(asyncio.create_task(attempt(f"c{number}", steps, fails)))
            await asyncio.sleep(0)
            if cancelled:
                tasks[-1].cancel()
        ended = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert all(each is None or isinstance(each, asyncio.CancelledError) for each in ended)
        async with AsyncExitStack() as stack:
            for number in range(slots):
                await asyncio.wait_for(stack.enter_async_context(lanes.slot(f"new{number}")), 1)

    asyncio.run(history())


@pytest.mark.parametrize("slots", [1, 2, 3])
async def test_few_slots_are_no_dead_end_for_suspects(slots: int) -> None:
    lanes = Lanes(slots)
    lanes.failed("s")
    async with asyncio.timeout(1), lanes.slot("s"):
        pass
