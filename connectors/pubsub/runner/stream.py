"""One stream of a subscription, from opening to end: token, check of the topic, Subscribe call, reads and requests."""

import asyncio
import logging
from collections.abc import Callable

from connectors.errors import RetriableError, TerminalError
from connectors.pubsub.protocol.faults import Action, Fault, RpcError
from connectors.pubsub.protocol.messages import OpenStream, StreamEnded, StreamFailed
from connectors.pubsub.runner.transport import Endpoint, Fetched, SubscribeStream, Transport
from connectors.salesforce.auth import TokenSource
from connectors.salesforce.token_reply import Token

log = logging.getLogger(__name__)


class Stream:
    """Runs one stream, once. `token` is the one it was opened with, None before."""

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        tokens: TokenSource,
        topic: str,
        opening: OpenStream,
        check_topic: bool,
        opened: Callable[[int, Token], None],
        fetched: Callable[[int, Fetched], None],
    ) -> None:
        """`opened` and `fetched` are called with the stream's epoch, when it is open and for each response.

        `check_topic`: call GetTopic first, which finds a wrong name or a missing right at once.
        """
        self._endpoint = endpoint
        self._tokens = tokens
        self._topic = topic
        self._opening = opening
        self._check_topic = check_topic
        self._opened = opened
        self._fetched = fetched
        self._grants: asyncio.Queue[int] = asyncio.Queue()
        self.token: Token | None = None

    def grant(self, num_requested: int) -> None:
        """Ask for `num_requested` more events; does not wait."""
        self._grants.put_nowait(num_requested)

    async def run(self) -> StreamEnded | StreamFailed:
        """Open the stream and read it to its end; return how it ended. Cancelling closes it."""
        epoch = self._opening.epoch
        transport = Transport(self._endpoint)
        try:
            await self._read(transport)
        except RpcError as error:
            return StreamFailed(epoch, error.fault)
        except RetriableError as error:
            return StreamFailed(epoch, Fault(action=Action.RETRY, what=str(error), pause_s=error.retry_after_s or 0.0))
        except TerminalError as error:
            return StreamFailed(epoch, Fault(action=Action.FAIL, what=str(error)))
        finally:
            await transport.close()
        return StreamEnded(epoch)

    async def _read(self, transport: Transport) -> None:
        opening = self._opening
        token = self.token = await self._tokens.token()
        if self._check_topic:
            info = await transport.topic(token, self._topic)
            if not info.can_subscribe:
                raise TerminalError(
                    f"looking up {self._topic} at {self._endpoint.address}: the integration user may not subscribe to"
                    " it; give it read access to the platform event"
                )
        stream = transport.subscribe(token, self._topic)
        writer: asyncio.Task[None] | None = None
        try:
            await stream.open(opening.preset, opening.replay_id, opening.num_requested)
            self._opened(opening.epoch, token)
            writer = asyncio.create_task(self._write(stream))
            while (fetched := await stream.read()) is not None:
                self._fetched(opening.epoch, fetched)
        finally:
            if writer is not None:
                writer.cancel()
            await stream.close()

    async def _write(self, stream: SubscribeStream) -> None:
        while True:
            await stream.fetch(await self._grants.get())
