"""Writing what a sink has to say: idempotent, acknowledged by all replicas, not transactional.

A sink's effect is an HTTP request, which no transaction can take back. So its records are written at least once, and
the offset of what caused them moves only after Kafka has acknowledged them.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import confluent_kafka as ck

from connectors.errors import TerminalError
from connectors.kafka.consumed import OutputRecord
from schemas.kafka_settings import PARTITIONER

log = logging.getLogger(__name__)

_POLL_S = 0.1
_MESSAGE_BYTES = 2 * 1024 * 1024  # an event has 1 MB at most, and its envelope comes on top

Acked = Callable[[Exception | None], None]


class PlainProducer:
    """An idempotent producer whose acknowledgements arrive on one event loop.

    While Kafka is away it waits without end: the caller bounds what is outstanding. `overrides` are librdkafka
    properties that replace ours.
    """

    def __init__(self, *, bootstrap_servers: str, client_id: str, overrides: Mapping[str, str] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._producer: Any = ck.Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "client.id": client_id,
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": PARTITIONER,
                "linger.ms": 5,
                "message.max.bytes": _MESSAGE_BYTES,
                "message.timeout.ms": 0,  # never give a record up because Kafka was away
                "log_level": 0,  # the client would write to stderr; its errors come by error_cb
                "error_cb": _note_client_error,
                **(overrides or {}),
            }
        )
        self._answers: list[tuple[Acked, Exception | None]] = []
        self._answers_lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=f"sink-producer-{client_id}", daemon=True)
        self._thread.start()

    def send(self, records: Sequence[OutputRecord], acked: Acked) -> None:
        """Write records in order; `acked` is called once on the event loop, with the first error or None.

        With no records it is called at once. Does not block. Raises `TerminalError` for a record that the client
        refuses, such as one that is too large.
        """
        if not records:
            acked(None)
            return
        answered = self._counting(len(records), acked)
        for record in records:
            try:
                self._producer.produce(
                    record.topic,
                    key=record.key,
                    value=record.value,
                    headers=list(record.headers) or None,
                    timestamp=record.timestamp_ms or 0,
                    on_delivery=answered,
                )
            except (BufferError, ck.KafkaException) as error:
                raise TerminalError(
                    f"writing to {record.topic} ({len(record.value or b'')} bytes): {error}; see the topic's"
                    " max.message.bytes and the task's max.buffered"
                ) from error

    async def close(self, timeout_s: float) -> int:
        """Wait until all is acknowledged, at most `timeout_s`; returns how many records were not."""
        # the serving thread first: two threads serving one queue would count one send's answers at the same time
        self._closing.set()
        await self._loop.run_in_executor(None, self._thread.join)
        left = await self._loop.run_in_executor(None, self._producer.flush, timeout_s)
        self._hand_over()
        return int(left)

    def _counting(self, records: int, acked: Acked) -> Callable[[Any, Any], None]:
        left = records
        first: Exception | None = None

        def answered(error: Any, message: Any) -> None:
            nonlocal left, first
            left -= 1
            if error is not None and first is None:
                first = TerminalError(
                    f"writing to {message.topic()}: {error.str()}; check that the topic exists and that the client may"
                    " write to it, then restart the task"
                )
            if left == 0:
                self._answered(acked, first)

        return answered

    def _answered(self, acked: Acked, error: Exception | None) -> None:
        with self._answers_lock:
            self._answers.append((acked, error))
            if len(self._answers) > 1:
                return  # the loop has been woken for the first one
        self._loop.call_soon_threadsafe(self._hand_over)

    def _hand_over(self) -> None:
        with self._answers_lock:
            answers, self._answers = self._answers, []
        for acked, error in answers:
            acked(error)

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(_POLL_S)


def _note_client_error(error: Any) -> None:
    log.warning("Kafka client reported an error", extra={"error": error.name()})
