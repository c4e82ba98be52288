"""The producer of a sink's records: idempotent, acknowledged by all replicas, not transactional.

A sink's effect is an HTTP request, which no transaction can take back. So its records are written at least once, and
the offset of the record that caused them moves only after Kafka has acknowledged them.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import confluent_kafka as ck

from connectors.errors import TerminalError
from connectors.kafka.consumed import OutputRecord
from schemas.kafka_settings import idempotent_producer
from schemas.process.log_lines import KAFKA_CLIENT

log = logging.getLogger(__name__)

_POLL_S = 0.1
_BY_KEY = -1  # librdkafka's word for "the partitioner decides"

OnAcknowledged = Callable[[Exception | None], None]


class IdempotentProducer:
    """An idempotent producer whose acknowledgements arrive on one event loop.

    While Kafka is away it waits without end: the caller bounds what is outstanding. After an error that is fatal for
    the client nothing is acknowledged any more: it is told to all who wait, and `send` raises it.
    """

    def __init__(self, *, bootstrap_servers: str, client_id: str, overrides: Mapping[str, str] | None = None) -> None:
        """Must be made on the event loop. `overrides` are librdkafka properties that replace those set here."""
        self._loop = asyncio.get_running_loop()
        self._client_id = client_id
        self._producer: Any = ck.Producer(
            {
                **idempotent_producer(bootstrap_servers),
                "client.id": client_id,
                "message.timeout.ms": 0,  # never give a record up because Kafka was away
                "log_level": 0,  # its errors come by error_cb
                "logger": KAFKA_CLIENT,
                "error_cb": _note_client_error,
                **(overrides or {}),
            }
        )
        self._reports: list[tuple[OnAcknowledged, Exception | None]] = []
        self._waiting: set[_Sending] = set()
        self._lost: TerminalError | None = None
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=f"sink-producer-{client_id}", daemon=True)
        self._thread.start()

    def send(self, records: Sequence[OutputRecord], on_acknowledged: OnAcknowledged) -> None:
        """Write records in order; `on_acknowledged` is called once on the event loop, with the first error or None.

        With no records it is called at once. Does not block. Raises `TerminalError` for a record that the client
        refuses, such as one that is too large, and for all records after a fatal error.
        """
        if not records:
            on_acknowledged(None)
            return
        sending = _Sending(len(records), on_acknowledged)
        with self._lock:
            if self._lost is not None:
                raise self._lost
            self._waiting.add(sending)
        on_delivery = partial(self._delivered, sending)
        for record in records:
            try:
                self._producer.produce(
                    record.topic,
                    key=record.key,
                    value=record.value,
                    headers=list(record.headers) or None,
                    timestamp=record.timestamp_ms or 0,
                    partition=_BY_KEY if record.partition is None else record.partition,
                    on_delivery=on_delivery,
                )
            except (BufferError, ck.KafkaException) as error:
                with self._lock:
                    self._waiting.discard(sending)  # the caller is told by what is raised
                raise TerminalError(
                    f"writing to {record.topic} ({len(record.value or b'')} bytes): {error}; see the topic's"
                    " max.message.bytes and the task's max.buffered"
                ) from error

    async def close(self, timeout_s: float) -> int:
        """Wait until all is acknowledged, at most `timeout_s`; returns how many records were not."""
        # the serving thread first: two threads serving one queue would count one send's answers at the same time
        self._closing.set()
        await self._loop.run_in_executor(None, self._thread.join)
        try:
            left = await self._loop.run_in_executor(None, self._producer.flush, timeout_s)
        except ck.KafkaException as error:  # fatal, and told by the flush since the serving thread has ended
            left = len(self._producer)
            self._lose(error)
        self._call_back()
        return int(left)

    def _delivered(self, sending: "_Sending", error: Any, message: Any) -> None:
        """What librdkafka calls once per record, in the serving thread; it reports after the last one of `sending`."""
        sending.outstanding -= 1
        if error is not None and sending.first is None:
            sending.first = TerminalError(
                f"writing to {message.topic()}: {error.str()}; check that the topic exists and that the client may"
                " write to it, then restart the task"
            )
        if sending.outstanding == 0:
            self._report([sending])

    def _report(self, done: Iterable["_Sending"]) -> None:
        """Have the loop tell of those that nobody was told of yet."""
        with self._lock:
            told = [each for each in done if each in self._waiting]
            self._waiting.difference_update(told)
            asleep = not self._reports  # else the loop has been woken for the first one
            self._reports += [(each.on_acknowledged, each.first) for each in told]
        if told and asleep:
            self._loop.call_soon_threadsafe(self._call_back)

    def _lose(self, error: Exception) -> None:
        """Nothing is acknowledged any more: keep the reason, and tell it to all who wait."""
        reason = error.args[0].str() if isinstance(error, ck.KafkaException) else f"{type(error).__name__}: {error}"
        lost = TerminalError(f"writing with {self._client_id}: {reason}; restart the task")
        with self._lock:
            self._lost = self._lost or lost
            waiting = list(self._waiting)
        for each in waiting:
            each.first = each.first or lost
        self._report(waiting)

    def _call_back(self) -> None:
        with self._lock:
            reports, self._reports = self._reports, []
        for on_acknowledged, error in reports:
            on_acknowledged(error)

    def _serve(self) -> None:
        try:
            while not self._closing.is_set():
                self._producer.poll(_POLL_S)
        except Exception as error:  # the client raises what is fatal here, whoever else waits for its answers
            log.error("producer can write nothing any more", extra={"client_id": self._client_id})  # noqa: TRY400
            self._lose(error)


class _Sending:
    """One call of `send` whose records are not all acknowledged."""

    __slots__ = ("first", "on_acknowledged", "outstanding")

    def __init__(self, outstanding: int, on_acknowledged: OnAcknowledged) -> None:
        self.outstanding = outstanding
        self.on_acknowledged = on_acknowledged
        self.first: Exception | None = None


def _note_client_error(error: Any) -> None:
    log.warning("Kafka client reported an error", extra={"error": error.name()})
