"""One transactional producer: records and positions of a task become visible together, or not at all.

Order of calls: `init` (fences whoever had the transactional id, and finishes what it left open), `abort_hanging` where
exactness depends on it, then for each transaction `begin`, `produce` as often as needed, `commit`. All calls of one
producer come from one thread at a time. `init`, `abort_hanging`, `begin`, `commit`, `abort` and `close` block;
`produce` does not.

Settings are those of `schemas.kafka_settings` and a few of its own. `linger.ms` is 20: a commit sends what lingers at
once, so no event waits for it. With 1 the client's thread spun on the core that the task needs: half of the samples of
a profile were its polling.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

import confluent_kafka as ck

from connectors import clock
from connectors.errors import ConnectorError, RetriableError, TerminalError
from connectors.kafka.errors import AbortNeeded, Fenced, ProducerLost
from connectors.kafka.records import Headers, ProducerRecord
from schemas.kafka_settings import (
    ABORTED_KEY,
    TOPIC_MAX_MESSAGE_BYTES,
    TRANSACTION_TIMEOUT_MS,
    transactional_producer,
)
from schemas.process.log_lines import KAFKA_CLIENT

log = logging.getLogger(__name__)

T = TypeVar("T")

_CALL_TIMEOUT_S: Final = 5.0  # one blocking call; a commit is repeated until it is settled or given up
_ABORT_TIMEOUT_S: Final = 30.0
_QUEUE_FULL_POLL_S: Final = 0.01

_FENCED: Final = frozenset(
    {
        ck.KafkaError._FENCED,  # noqa: SLF001 - librdkafka's own codes are spelled so
        ck.KafkaError.INVALID_PRODUCER_EPOCH,
        ck.KafkaError.PRODUCER_FENCED,
    }
)
# They say that something went wrong before, and not what: a call after a final error, or in a failed transaction.
_SYMPTOMS: Final = frozenset(
    {
        ck.KafkaError._FATAL,  # noqa: SLF001 - librdkafka's own codes are spelled so
        ck.KafkaError._STATE,  # noqa: SLF001 - librdkafka's own codes are spelled so
        ck.KafkaError._PURGE_QUEUE,  # noqa: SLF001 - librdkafka's own codes are spelled so
        ck.KafkaError._PURGE_INFLIGHT,  # noqa: SLF001 - librdkafka's own codes are spelled so
    }
)
_TERMINAL: Final = frozenset(
    {
        ck.KafkaError.MSG_SIZE_TOO_LARGE,
        ck.KafkaError.RECORD_LIST_TOO_LARGE,
        ck.KafkaError.TOPIC_AUTHORIZATION_FAILED,
        ck.KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        ck.KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        ck.KafkaError.SASL_AUTHENTICATION_FAILED,
        ck.KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's own codes are spelled so
        ck.KafkaError.UNKNOWN_TOPIC_OR_PART,
        ck.KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - librdkafka's own codes are spelled so
        ck.KafkaError.INVALID_TRANSACTION_TIMEOUT,
    }
)
_TOO_SMALL: Final = (
    f"raise max.message.bytes of the topic to {TOPIC_MAX_MESSAGE_BYTES}, as `byoc topics alter` does for all that are"
    " in the catalogue"
)
_REMEDIES: Final = {
    ck.KafkaError.MSG_SIZE_TOO_LARGE: _TOO_SMALL,
    ck.KafkaError.RECORD_LIST_TOO_LARGE: _TOO_SMALL,
    ck.KafkaError.UNKNOWN_TOPIC_OR_PART: "create the topics with 'byoc topics create'",
    ck.KafkaError.INVALID_TRANSACTION_TIMEOUT: "raise transaction.max.timeout.ms of the brokers to 60000",
}


class TransactionalProducer:
    """A librdkafka producer with a transactional id."""

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        transactional_id: str,
        client: Mapping[str, str] | None = None,
        transaction_timeout_ms: int = TRANSACTION_TIMEOUT_MS,
    ) -> None:
        """`client` holds further librdkafka settings, such as security; what is set here replaces them.

        `transaction_timeout_ms` is the time after which the coordinator aborts a transaction that nobody ends.
        """
        self.bootstrap_servers = bootstrap_servers
        self.transactional_id = transactional_id
        self._given_up = threading.Event()
        self._unanswered_s = 0.0
        self._producer: Any = ck.Producer(
            {
                **(client or {}),
                **transactional_producer(bootstrap_servers, transactional_id, transaction_timeout_ms),
                "linger.ms": 20,
                "queue.buffering.max.messages": 1_000_000,  # the task bounds what it has in flight
                # a message that outlived its transaction could only abort the next one
                "message.timeout.ms": transaction_timeout_ms,
                "log_level": 0,  # what matters comes back from the calls
                "logger": KAFKA_CLIENT,
                "error_cb": _note_client_error,
            }
        )

    @property
    def unanswered_s(self) -> float:
        """For how long, in all, Kafka gave no answer to a call that was waited for.

        It is counted by the time-outs of calls: a process that stood still does not take its pause for Kafka's absence.
        """
        return self._unanswered_s

    def init(self, timeout_s: float) -> None:
        """Take over the transactional id, within `timeout_s`; the caller decides whether to try again.

        Raises `RetriableError` when the cluster does not answer, `TerminalError`, `Fenced`, `ProducerLost`.
        """
        self._call("taking over", lambda: self._producer.init_transactions(timeout_s), repeats=False)

    def abort_hanging(self, partitions: Mapping[str, int], timeout_s: float) -> None:
        """Abort what the coordinator says is settled and is not, in all topics (name -> partition count) ever written.

        Call it after `init`. A broker that comes back after a crash as the only replica can lose the markers of a
        commit under way (ADR 0006): its records stay open, readers wait behind them, and the next commit would make
        them visible. Raises `RetriableError`, `Fenced`, `ProducerLost`.
        """
        self.begin()
        for topic, count in partitions.items():
            for number in range(count):
                self._write_marker(topic, number)
        # only what has reached its partition makes the partition part of the transaction
        if not self.flush(timeout_s):
            raise RetriableError(
                f"writing to {', '.join(partitions)} with {self.transactional_id}: no answer from Kafka"
            )
        self.abort()

    def begin(self) -> None:
        """Begin a transaction; local to this process until something is produced."""
        self._call("beginning a transaction of", self._producer.begin_transaction)

    def produce(self, records: Iterable[ProducerRecord]) -> None:
        """Add records to the open transaction, in order. Raises `TerminalError`, `AbortNeeded`, `Fenced`."""
        produce = self._producer.produce
        for topic, value, key, headers in records:
            try:
                produce(topic, value, key, headers=headers)
            except BufferError:
                self._produce_waiting(topic, value, key, headers)
            except ck.KafkaException as error:
                raise self._translated(f"writing {len(value or b'')} bytes to {topic} with", error) from error

    def commit(self) -> None:
        """Make the open transaction visible, repeated until its outcome is known.

        A time-out is not an outcome: aborting then could lose what was committed, so the same commit is asked again.
        Raises `AbortNeeded`, `Fenced`, `ProducerLost`, `TerminalError`, or `RetriableError` after `give_up`: then the
        outcome is settled by the next `init` of this transactional id.
        """
        self._call("committing a transaction of", lambda: self._producer.commit_transaction(_CALL_TIMEOUT_S))

    def flush(self, timeout_s: float) -> bool:
        """Wait until what was produced is at the brokers, still uncommitted; False when it is not in time.

        Raises as `commit`: the client tells of an error that is final by whichever call serves its events.
        """
        return int(self._once("flushing", lambda: self._producer.flush(timeout_s))) == 0

    def abort(self) -> None:
        """Drop the open transaction. Raises `Fenced`, `ProducerLost`."""
        self._call("aborting a transaction of", lambda: self._producer.abort_transaction(_ABORT_TIMEOUT_S))

    def give_up(self) -> None:
        """From any thread: let the blocking call that runs now end at its next time-out."""
        self._given_up.set()

    def close(self) -> None:
        """Release threads and connections; nothing can be called any more.

        An open transaction is left as a crash leaves it, for the next owner's `init`: abort it before, if it matters
        to readers that wait behind it.
        """
        self._producer = None  # the client's own close() would wait for a broker that may be away

    def _write_marker(self, topic: str, number: int) -> None:
        self._once("writing with", lambda: self._producer.produce(topic, b"", ABORTED_KEY, number))

    def _produce_waiting(self, topic: str, value: bytes | None, key: bytes | None, headers: Headers | None) -> None:
        while not self._given_up.is_set():
            self._once("waiting for room in the queue of", lambda: self._producer.poll(_QUEUE_FULL_POLL_S))
            try:
                self._once("writing with", lambda: self._producer.produce(topic, value, key, headers=headers))
            except BufferError:
                continue
            return
        raise RetriableError(f"writing to {topic} with {self.transactional_id}: given up while the queue was full")

    def _call(self, doing: str, call: Callable[[], None], *, repeats: bool = True) -> None:
        """Make a blocking call. With `repeats`, until it gets an answer, or until `give_up`."""
        waited = False
        while True:
            began_s = clock.monotonic_s()
            try:
                call()
            except ck.KafkaException as error:
                translated = self._translated(doing, error)
                waited = waited or type(translated) is RetriableError
                if waited:
                    self._unanswered_s += min(clock.monotonic_s() - began_s, _CALL_TIMEOUT_S)
                again = repeats and type(translated) is RetriableError and not self._given_up.is_set()
                if not again:
                    raise translated from error
                log.warning("waiting for Kafka", extra={"transactional_id": self.transactional_id, "call": doing})
            else:
                return

    def _once(self, doing: str, call: Callable[[], T]) -> T:
        """Make a call that does not repeat, and translate what it raises."""
        try:
            return call()
        except ck.KafkaException as error:
            raise self._translated(doing, error) from error

    def _translated(self, doing: str, exception: ck.KafkaException) -> ConnectorError:
        error = self._reason(exception.args[0])
        what = f"{doing} transactional id {self.transactional_id} at {self.bootstrap_servers}: {error.str()}"
        kind = kind_of(
            error.code(), fatal=error.fatal(), abortable=error.txn_requires_abort(), retriable=error.retriable()
        )
        if kind is Fenced:
            return Fenced(
                f"{what}; another worker has taken this task over, so this one stops: run one worker per group.id, and"
                " restart this one if the other has gone"
            )
        if kind is TerminalError:
            remedy = _REMEDIES.get(error.code(), "check the rights of the client")
            return TerminalError(f"{what}; {remedy}, then restart the task")
        return kind(what)

    def _reason(self, error: Any) -> Any:
        """The error behind one that says only that the transaction, or the producer, has failed before.

        The call in which that happened may have been none of ours: the client sends in the background. Its refusal to
        begin a transaction names the error that it keeps. Where it has none, the transaction is open and stays so.
        """
        if error.code() not in _SYMPTOMS or self._producer is None:
            return error
        try:
            self._producer.begin_transaction()
        except ck.KafkaException as kept:
            found: Any = kept.args[0]
            return error if found.code() in _SYMPTOMS else found
        return error


def kind_of(code: int, *, fatal: bool, abortable: bool, retriable: bool) -> type[ConnectorError]:
    """What an error of librdkafka is for the task, by its code and its three flags.

    The code of a fencing decides, whatever the flags say: it comes as fatal (the coordinator refused), as abortable (a
    partition refused) or with no flag. A producer that is taken for lost instead is replaced, and its replacement
    fences whoever had fenced it.
    """
    if code in _FENCED:
        return Fenced
    if code in _TERMINAL:
        return TerminalError
    if fatal:
        return ProducerLost
    if abortable:
        return AbortNeeded
    return RetriableError if retriable else ProducerLost


def _note_client_error(error: Any) -> None:
    # librdkafka reconnects by itself; what cannot be repaired also comes back from the calls
    log.warning("Kafka client reported an error", extra={"error": error.name()})
