"""The conversion pipeline: received batches become records for Kafka, in order; missing schemas are fetched for them.

An event whose schema cannot be had holds up everything behind it. What to do about it is the protocol's decision: it is
told of each failure (`EventUnreadable`), and its answer is executed by `retry_event` or `give_event_up`.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from connectors import clock
from connectors.errors import RetriableError, TerminalError
from connectors.kafka.schema_registry import SchemaRefused
from connectors.pubsub.converters.batch import Batch, BatchConverter
from connectors.pubsub.converters.choice import converter_for
from connectors.pubsub.converters.converter import EventHeaders
from connectors.pubsub.converters.payload import PayloadError, WriterSchema, writer_schema
from connectors.pubsub.protocol.faults import Action, Fault, RpcError
from connectors.pubsub.protocol.messages import EventUnreadable
from connectors.pubsub.runner.schema_cache import SchemaCache
from connectors.pubsub.runner.schema_frames import SchemaFrames
from connectors.pubsub.runner.settings import SourceSettings
from connectors.pubsub.runner.transport import Transport
from connectors.salesforce.auth import TokenSource
from connectors.salesforce.token_reply import Token
from schemas.dead_letters import Stage
from schemas.proto import pubsub_api_pb2 as pb

log = logging.getLogger(__name__)


class ConversionPipeline:
    """Converts batches in the order in which they were added, and submits them. Runs once, on one event loop."""

    def __init__(
        self,
        settings: SourceSettings,
        tokens: TokenSource,
        *,
        unreadable: Callable[[EventUnreadable], None],
        submit: Callable[[Batch], None],
    ) -> None:
        """`unreadable` asks the protocol about an event; it calls one of the two methods below, or ends the task.

        `submit` takes each batch that is converted.
        """
        self._settings = settings
        self._tokens = tokens
        self._unreadable = unreadable
        self._submit = submit
        self._batches: asyncio.Queue[Batch | None] = asyncio.Queue()
        self._schemas = SchemaCache(self._fetch_schema)
        self._frames = SchemaFrames(settings.frames) if settings.frames is not None else None
        self._converter: BatchConverter | None = None
        self._token: Token | None = None
        self._missing_schema_id = ""  # of the event that holds up the rest
        self._retry_delay_s: float | None = None  # the protocol's answer about that event
        self._finishing = asyncio.Event()

    def authorized(self, token: Token) -> None:
        """A stream was opened with `token`. Events come after this, so the org is known before they do."""
        if self._converter is None:
            topic = self._settings.policy.topic
            self._converter = BatchConverter(
                converter_for=converter_for(self._settings.conversion, topic, token.org_id),
                known_schema=self._schemas.known,
                headers=EventHeaders(topic, token.org_id),
                errors=self._settings.errors,
                tolerate_errors=self._settings.policy.tolerate_errors,
            )

    def drop_token(self) -> None:
        """Salesforce refused the token that schemas are fetched with: forget it."""
        if self._token is not None:
            self._tokens.invalidate(self._token)

    def retry_event(self, delay_s: float) -> None:
        """The event that holds up the rest is to be tried again after `delay_s`."""
        self._retry_delay_s = delay_s

    def give_event_up(self, reason: str) -> None:
        """The event that holds up the rest goes to the dead letters; so do others with its schema, for a minute."""
        self._schemas.refuse(self._missing_schema_id, reason, clock.monotonic_s())
        self._retry_delay_s = 0.0

    def add(self, batch: Batch) -> None:
        """Add a batch behind those before. Does not wait: the subscription bounds what is in flight."""
        self._batches.put_nowait(batch)

    def finish(self) -> None:
        """No more batches come: `run` returns after the last, or at an event that still waits for its schema."""
        self._finishing.set()
        self._batches.put_nowait(None)

    async def run(self) -> None:
        """Convert and submit until `finish`. Raises `TaskFailed` for an unreadable event when errors end the task."""
        try:
            while (batch := await self._batches.get()) is not None:
                if batch.events and not await self._convert(batch):
                    return
                self._submit(batch)
                await asyncio.sleep(0)  # reading and committing go on between two batches, also when many wait
        finally:
            if self._frames is not None:
                self._frames.close()

    async def _convert(self, batch: Batch) -> bool:
        """Convert all events. False when the task ends before that: the batch is incomplete and must not be written."""
        if self._converter is None:
            raise RuntimeError("events came before a stream was opened")
        received_at_ms = clock.now_ms()
        index, count = 0, len(batch.events)
        while (index := self._converter.convert(batch, index, received_at_ms)) < count:
            event = batch.events[index]
            given_up = await self._schema_for(event)
            if given_up is not None:
                self._converter.give_up(
                    event, batch, stage=Stage.VALUE_CONVERTER, error="SchemaUnavailable", reason=given_up
                )
                index += 1
            elif self._finishing.is_set():
                return False
        batch.events = ()
        return True

    async def _schema_for(self, consumer_event: pb.ConsumerEvent) -> str | None:
        """Wait for the schema of an event; return why it was given up, or None when it is here or the task ends."""
        schema_id = self._missing_schema_id = consumer_event.event.schema_id
        while not self._finishing.is_set():
            refusal = self._schemas.refusal(schema_id, clock.monotonic_s())
            if refusal is not None:
                return refusal
            fault = await self._try_schema(schema_id)
            if fault is None:
                return None
            log.warning("schema not available", extra={"schema_id": schema_id, "fault": str(fault)})
            self._retry_delay_s = None
            self._unreadable(EventUnreadable(consumer_event.replay_id, fault))
            await self._pause(self._retry_delay_s)
        return None

    async def _try_schema(self, schema_id: str) -> Fault | None:
        try:
            await self._schemas.get(schema_id)
        except RpcError as error:
            return error.fault
        except SchemaRefused as error:
            return Fault(action=Action.UNCLEAR, what=str(error))
        except RetriableError as error:
            return Fault(action=Action.RETRY, what=str(error), pause_s=error.retry_after_s or 0.0)
        except TerminalError as error:
            return Fault(action=Action.FAIL, what=str(error))
        except Exception as error:
            # What a schema provokes is about the events that name it, and ends no task by itself.
            what = str(error) if isinstance(error, PayloadError) else type(error).__name__
            return Fault(action=Action.UNCLEAR, what=f"reading schema {schema_id}: {what}")
        return None

    async def _fetch_schema(self, schema_id: str) -> WriterSchema:
        """Fetch it over a connection of its own: schemas are rare, and the stream's connection may be dead."""
        token = self._token = await self._tokens.token()
        transport = Transport(self._settings.endpoint)
        try:
            schema = writer_schema(await transport.schema(token, schema_id))
        finally:
            await transport.close()
        conversion = self._settings.conversion
        if self._frames is None or not conversion.is_raw(schema):
            return schema
        return replace(schema, frame=await self._frames.frame(conversion.raw.topic, schema))

    async def _pause(self, delay_s: float | None) -> None:
        """Wait so long, or until the task ends. None waits for the end: the protocol is over and answers nothing."""
        try:
            await asyncio.wait_for(self._finishing.wait(), delay_s)
        except TimeoutError:
            return
