"""`python -m bench.far_away`: a TCP forwarder that delays every byte, as a long distance does.

Each direction takes half of the round trip. Bytes do not wait for those before them, so that only waiting for answers
costs time, as on a real line.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import click
import uvloop

_CHUNK_BYTES = 65536


class FarAway:
    """Forwards to `host:port`, `round_trip_s` away."""

    def __init__(self, target: str, round_trip_s: float) -> None:
        """`target` is host:port."""
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._one_way_s = round_trip_s / 2
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """host:port to connect to."""
        if self._server is None:
            raise RuntimeError("the forwarder does not listen yet")
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def close(self) -> None:
        """Stop listening and close everything."""
        if self._server is not None:
            self._server.close()
        connections, self._connections = self._connections, set()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._forward(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            ways = [
                asyncio.create_task(self._carry(reader, far_writer)),
                asyncio.create_task(self._carry(far_reader, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                far_writer.close()
        writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        on_its_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        arriving = asyncio.create_task(self._arrive(on_its_way, writer))
        try:
            while data := await reader.read(_CHUNK_BYTES):
                on_its_way.put_nowait((time.monotonic() + self._one_way_s, data))
            await on_its_way.join()
        finally:
            arriving.cancel()
            await asyncio.gather(arriving, return_exceptions=True)

    async def _arrive(self, on_its_way: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
        while True:
            due_s, data = await on_its_way.get()
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            writer.write(data)
            await writer.drain()
            on_its_way.task_done()


@contextlib.asynccontextmanager
async def far_away(target: str, round_trip_s: float) -> AsyncIterator[FarAway]:
    """A forwarder for the length of the block."""
    forwarder = FarAway(target, round_trip_s)
    await forwarder.start()
    try:
        yield forwarder
    finally:
        await forwarder.close()


async def _serve(target: str, round_trip_s: float) -> None:
    async with far_away(target, round_trip_s) as forwarder:
        print(f"ready address={forwarder.address}", flush=True)
        await asyncio.Event().wait()


@click.command()
@click.argument("target")
@click.option("--round-trip-ms", type=float, required=True, help="There and back.")
def main(target: str, round_trip_ms: float) -> None:
    """Forward to TARGET (host:port)."""
    uvloop.run(_serve(target, round_trip_ms / 1000))


if __name__ == "__main__":
    main()
