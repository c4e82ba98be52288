import asyncio
import threading

import pytest

from connectors.kafka.call_thread import CallThread


async def test_calls_are_made_one_after_the_other_in_one_thread() -> None:
    thread = CallThread("test-calls")
    seen: list[int] = []

    def work(number: int) -> str:
        seen.append(number)
        return threading.current_thread().name

    names = await asyncio.gather(*(thread.call(lambda number=number: work(number)) for number in range(50)))
    thread.end()
    assert seen == list(range(50))
    assert set(names) == {"test-calls"}


async def test_an_error_is_raised_where_the_call_was_asked_for() -> None:
    thread = CallThread("test-errors")
    with pytest.raises(ZeroDivisionError):
        await thread.call(lambda: 1 // 0)
    assert await thread.call(lambda: 7) == 7
    thread.end()


async def test_a_call_that_hangs_can_be_left_behind() -> None:
    thread = CallThread("test-hangs")
    release = threading.Event()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(thread.call(release.wait), 0.05)
    [hanging] = [each for each in threading.enumerate() if each.name == "test-hangs"]
    assert hanging.daemon, "the end of the process does not wait for it"
    release.set()
    assert await thread.call(lambda: 7) == 7
    thread.end()


async def test_the_thread_ends_when_it_is_told_to() -> None:
    thread = CallThread("test-ends")
    await thread.call(lambda: None)
    [running] = [each for each in threading.enumerate() if each.name == "test-ends"]
    thread.end()
    await asyncio.to_thread(running.join, 5)
    assert not running.is_alive()
