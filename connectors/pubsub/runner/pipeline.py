"""From received responses to batches for the lane, in order: translate, and fetch the schemas that are missing.

An event whose schema cannot be had holds everything behind it; what to do about it is the protocol's decision.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from connectors import clock
from connectors.errors import RetriableError, TerminalError
from connectors.kafka.records import ProducerRecord
from connectors.kafka.schema_registry import SchemaRefused
from connectors.pubsub.converters.batch import Translated, Translator
from connectors.pubsub.converters.headers import EventHeaders
from connectors.pubsub.converters.payload import PayloadError, WriterSchema, writer_schema
from connectors.pubsub.converters.schema_cache import SchemaCache
from connectors.pubsub.converters.schema_frames import SchemaFrames
from connectors.pubsub.protocol.faults import Action, Fault, RpcError
from connectors.pubsub.protocol.messages import DeadLetterEvent, Effect, EventUnreadable, Input, RetryEvent
from connectors.pubsub.runner.settings import SourceSettings
from connectors.pubsub.runner.transactions import Batch
from connectors.pubsub.runner.transport import Fetched, Transport
from connectors.salesforce.auth import Token, TokenSource

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Item:
    """One batch to be written: a response's events, or ready records (a marker), or nothing but a position."""

    sequence: int
    replay_id: bytes | None
    fetched: Fetched | None = None
    records: tuple[ProducerRecord, ...] = ()


class Delivery:
    """Turns items into batches in the order they were added. `feed` is the protocol, `submit` the lane."""

    def __init__(
        self,
        settings: SourceSettings,
        tokens: TokenSource,
        *,
        feed: Callable[[Input], list[Effect]],
        submit: Callable[[Batch], None],
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._feed = feed
        self._submit = submit
        self._items: asyncio.Queue[Item | None] = asyncio.Queue()
        self._schemas = SchemaCache(self._fetch_schema)
        self._frames = SchemaFrames(settings.frames) if settings.frames is not None else None
        self._translator: Translator | None = None
        self._token: Token | None = None
        self._finishing = asyncio.Event()

    def authorized(self, token: Token) -> None:
        """A stream was opened with `token`; events come after this, so the org is known before they do."""
        if self._translator is None:
            topic = self._settings.policy.topic
            self._translator = Translator(
                maker=self._settings.making.makers(topic, token.org_id),
                headers=EventHeaders(topic, token.org_id),
                letters=self._settings.letters,
                schema=self._schemas.known,
                tolerate_errors=self._settings.policy.tolerate_errors,
            )

    def drop_token(self) -> None:
        """Salesforce refused the token that schemas are fetched with."""
        if self._token is not None:
            self._tokens.invalidate(self._token)

    def add(self, item: Item) -> None:
        """Add an item behind those before. Does not wait: the subscription bounds what is in flight."""
        self._items.put_nowait(item)

    def finish(self) -> None:
        """No more items come: `run` returns after the last, or at an event that still waits for its schema."""
        self._finishing.set()
        self._items.put_nowait(None)

    async def run(self) -> None:
        """Translate and submit until `finish`. Raises `TaskFailed` for an unreadable event when errors end the task."""
        try:
            await self._run()
        finally:
            if self._frames is not None:
                self._frames.close()

    async def _run(self) -> None:
        while (item := await self._items.get()) is not None:
            content = Translated(records=list(item.records))
            if item.fetched is not None and not await self._translate(item.fetched.response.events, content):
                return
            self._submit(Batch(sequence=item.sequence, replay_id=item.replay_id, content=content))
            await asyncio.sleep(0)  # reading and committing go on between two batches, also when many wait

    async def _translate(self, events: Any, into: Translated) -> bool:
        """Translate all events. False when the task ends before that: the batch is incomplete."""
        if self._translator is None:
            raise RuntimeError("events came before a stream was opened")
        received_at_ms = clock.now_ms()
        index = 0
        while (index := self._translator.translate(events, index, into, received_at_ms)) < len(events):
            given_up = await self._schema_for(events[index])
            if given_up is not None:
                self._translator.give_up(
                    events[index], into, stage="VALUE_CONVERTER", error="SchemaUnavailable", reason=given_up
                )
                index += 1
            elif self._finishing.is_set():
                return False
        return True

    async def _schema_for(self, consumer_event: Any) -> str | None:
        """Wait for the schema of an event; return why it was given up, or None when it is here or the task ends."""
        schema_id = consumer_event.event.schema_id
        while not self._finishing.is_set():
            refusal = self._schemas.refusal(schema_id, clock.monotonic_s())
            if refusal is not None:
                return refusal
            fault = await self._try_schema(schema_id)
            if fault is None:
                return None
            log.warning("schema not available", extra={"schema_id": schema_id, "fault": str(fault)})
            for effect in self._feed(EventUnreadable(consumer_event.replay_id, fault)):
                if isinstance(effect, DeadLetterEvent):
                    self._schemas.refuse(schema_id, effect.reason, clock.monotonic_s())
                elif isinstance(effect, RetryEvent):
                    await self._pause(effect.delay_s)
        return None

    async def _try_schema(self, schema_id: str) -> Fault | None:
        try:
            await self._schemas.get(schema_id)
        except RpcError as error:
            return error.fault
        except PayloadError as error:
            return Fault(action=Action.UNCLEAR, what=f"reading schema {schema_id}: {error}")
        except SchemaRefused as error:
            return Fault(action=Action.UNCLEAR, what=str(error))
        except RetriableError as error:
            return Fault(action=Action.RETRY, what=str(error), pause_s=error.retry_after_s or 0.0)
        except TerminalError as error:
            return Fault(action=Action.FAIL, what=str(error))
        return None

    async def _fetch_schema(self, schema_id: str) -> WriterSchema:
        """Over a connection of its own: schemas are rare, and the stream's connection may be the dead one."""
        token = self._token = await self._tokens.token()
        transport = Transport(self._settings.endpoint)
        try:
            schema = writer_schema(await transport.schema(token, schema_id))
        finally:
            await transport.close()
        making = self._settings.making
        if self._frames is None or not making.is_raw(schema):
            return schema
        return replace(schema, frame=await self._frames.frame(making.raw.topic, schema))

    async def _pause(self, delay_s: float) -> None:
        try:
            await asyncio.wait_for(self._finishing.wait(), delay_s)
        except TimeoutError:
            return
