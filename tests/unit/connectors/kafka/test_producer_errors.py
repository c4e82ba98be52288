"""What an error of the client is for the task: decided by its code, then by its flags."""

import itertools

import confluent_kafka as ck
import pytest

from connectors import clock
from connectors.errors import RetriableError, TerminalError
from connectors.kafka.errors import AbortNeeded, Fenced, ProducerLost
from connectors.kafka.producer import TransactionalProducer, kind_of

FENCED = [ck.KafkaError._FENCED, ck.KafkaError.PRODUCER_FENCED, ck.KafkaError.INVALID_PRODUCER_EPOCH]
TERMINAL = [ck.KafkaError.MSG_SIZE_TOO_LARGE, ck.KafkaError.TOPIC_AUTHORIZATION_FAILED]
OTHER = [
    ck.KafkaError._TIMED_OUT,
    ck.KafkaError._STATE,
    ck.KafkaError._FATAL,
    ck.KafkaError.UNKNOWN_PRODUCER_ID,
    ck.KafkaError.INVALID_PRODUCER_ID_MAPPING,
    ck.KafkaError.INVALID_TXN_STATE,
    ck.KafkaError.TRANSACTION_COORDINATOR_FENCED,  # an old coordinator was replaced: the producer was not
    ck.KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
]
FLAGS = [
    dict(zip(("fatal", "abortable", "retriable"), each, strict=True)) for each in itertools.product((0, 1), repeat=3)
]


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("code", FENCED)
def test_a_fencing_is_one_whatever_its_flags(code, flags):
    assert kind_of(code, **flags) is Fenced


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("code", TERMINAL)
def test_what_somebody_must_change_ends_the_task_whatever_its_flags(code, flags):
    assert kind_of(code, **flags) is TerminalError


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("code", OTHER)
def test_flags_decide_about_any_other_code(code, flags):
    expected = (
        ProducerLost
        if flags["fatal"]
        else AbortNeeded
        if flags["abortable"]
        else RetriableError
        if flags["retriable"]
        else ProducerLost
    )
    assert kind_of(code, **flags) is expected


def test_a_pause_of_this_process_is_not_taken_for_an_absence_of_kafka(monkeypatch):
    """A call that times out after 5 s, in a process that then stands still for ten minutes."""
    now_s = [1_000.0]
    monkeypatch.setattr(clock, "monotonic_s", lambda: now_s[0])
    producer = TransactionalProducer(bootstrap_servers="127.0.0.1:1", transactional_id="one")

    def call():
        now_s[0] += 605.0
        raise ck.KafkaException(ck.KafkaError(ck.KafkaError._TIMED_OUT, "no answer", False, True))

    with pytest.raises(RetriableError):
        producer._call("asking", call, repeats=False)
    producer.close()
    assert producer.unanswered_s == 5.0
