"""One thread that makes one client's blocking calls, in order, for an event loop.

It is a daemon, unlike an executor's threads: librdkafka's close can hang for minutes when the broker is away, and the
end of the process must not wait for it.
"""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")
Job = Callable[[], None]


class CallThread:
    """A thread for blocking calls. May be made on any thread; its calls come from event loops."""

    def __init__(self, name: str) -> None:
        """Start the thread, under this name."""
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    async def call(self, function: Callable[[], T]) -> T:
        """Run a function in the thread, after all earlier calls; return or raise what it does.

        A cancelled caller does not stop a call that runs.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            if answer.cancelled():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)  # type: ignore[arg-type]  # None is a result where T allows it

        def job() -> None:
            result, error = None, None
            try:
                result = function()
            except BaseException as raised:  # handed to the caller, whatever it is
                error = raised
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result, error)

        self._jobs.put(job)
        return await answer

    def end(self) -> None:
        """Let the thread end after the calls that were made; there must be no further ones."""
        self._jobs.put(None)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
