"""The source connector against real Kafka and a real simulated org: each event once, in order, through everything."""

import asyncio
import base64
import json
from collections import defaultdict

import pytest

from byoc.errors import BrokerError
from connectors import clock
from connectors.errors import TaskFailed
from connectors.kafka.errors import Fenced
from connectors.kafka.offsets import offset_key, read_offsets
from connectors.kafka.producer import TransactionalProducer
from connectors.pubsub.runner import session as session_module
from connectors.pubsub.runner.offset_value import offset_of, partition_of
from schemas.codec import decode, encode
from schemas.records import OutboundEvent
from schemas.topics import Topics
from simulator.events import protobuf_bytes
from simulator.org.ledger import LedgerEntry
from tests.support.hanging import leave_hanging, unverified_writes
from tests.support.kafka import TestBroker, Unique
from tests.support.simulator import RunningSimulator, message_payload, running_simulator
from tests.support.sinks import eventually, running
from tests.support.source import (
    NAME,
    PATIENCE_S,
    connect_process,
    mirrored,
    mirrored_ids,
    source_config,
    source_task,
    source_transactional_id,
    stored_positions,
    worker_properties,
)
from tests.support.tcp_proxy import tcp_proxy

pytestmark = pytest.mark.broker

KAFKA_TIMEOUT_S = 30.0


@pytest.fixture
async def sim():
    async with running_simulator(keepalive_s=30) as simulator:
        yield simulator


def publish(sim: RunningSimulator, count: int, conversations: int = 5, start: int = 0) -> list[str]:
    """Publish messages round-robin over conversations; return their event UUIDs in order."""
    return [
        sim.publish_message(f"c{number % conversations}", f"hello {number}").event_uuid
        for number in range(start, start + count)
    ]


async def has_mirrored(kafka: TestBroker, topics: Topics, count: int) -> None:
    """Wait until at least so many events are committed; a broker that is coming back may not answer yet."""

    def they_are_there() -> bool:
        try:
            ends = sum(kafka.end_offsets(topics.events).values())
            return ends >= count and len(mirrored(kafka, topics)) >= count
        except BrokerError:
            return False

    await eventually(they_are_there, f"{count} events in {topics.events}", patience_s=PATIENCE_S)


async def failure_of(task) -> str:
    """Run a task that must fail; return the message."""
    with pytest.raises(TaskFailed) as caught:
        await asyncio.wait_for(task.run(lambda: None), 60)
    return str(caught.value)


# -- the plain path


async def test_events_arrive_once_in_order_with_key_headers_and_payload(kafka, catalogue, sim):
    before = publish(sim, 300)
    async with running(source_task(kafka.bootstrap_servers, catalogue, sim)):
        after = publish(sim, 200, start=300)
        await has_mirrored(kafka, catalogue, 500)
    messages = kafka.read_committed(catalogue.events)
    assert mirrored_ids(kafka, catalogue) == before + after
    positions, partitions = defaultdict(list), defaultdict(set)
    for message in messages:
        event = decode(OutboundEvent, message.value or b"")
        assert message.key == event.conversation_id.encode()
        assert dict(message.headers) == {
            "sf.replay_id": event.replay_id,
            "sf.schema_id": event.schema_id.encode(),
            "sf.event_uuid": event.event_uuid.encode(),
            "sf.topic": sim.topic.encode(),
            "sf.org_id": sim.org_id.encode(),
        }
        positions[event.conversation_id].append(event.replay_id)
        partitions[event.conversation_id].add(message.partition)
        assert json.loads(event.payload)["conversationIdentifier"] == event.conversation_id
        assert event.created_at_ms <= event.received_at_ms
    assert all(ids == sorted(ids) for ids in positions.values())
    assert all(len(found) == 1 for found in partitions.values())


async def test_the_position_stored_is_that_of_the_last_committed_event(kafka, catalogue, sim):
    publish(sim, 50)
    async with running(source_task(kafka.bootstrap_servers, catalogue, sim)):
        await has_mirrored(kafka, catalogue, 50)
    last = max(mirrored(kafka, catalogue), key=lambda event: event.replay_id)
    position = stored_positions(kafka, catalogue)[-1]
    assert position["replayId"] == base64.b64encode(last.replay_id).decode()
    assert position["lastEventAt"] == last.created_at_ms
    assert position["v"] == 1
    (message, *_) = kafka.read_committed(catalogue.connect_offsets)
    assert message.key == offset_key(NAME, {"topic": sim.topic})


async def test_a_task_that_was_stopped_goes_on_where_it_was(kafka, catalogue, sim):
    sent = []
    for part in range(3):
        sent += publish(sim, 70, start=70 * part)
        async with running(source_task(kafka.bootstrap_servers, catalogue, sim)):
            await has_mirrored(kafka, catalogue, len(sent))
    assert mirrored_ids(kafka, catalogue) == sent


async def test_from_latest_only_new_events_are_mirrored_and_the_first_position_is_stored_at_once(
    kafka, catalogue, unique
):
    async with running_simulator(keepalive_s=0.2) as sim:
        publish(sim, 20)
        keys = {"replay_preset": "latest", "replay_latest_settle_s": "0.1"}
        async with running(source_task(kafka.bootstrap_servers, catalogue, sim, **keys)):
            await eventually(lambda: bool(stored_positions(kafka, catalogue)), "a position without any event")
            sent = publish(sim, 20, start=20)
            await has_mirrored(kafka, catalogue, 20)
        assert mirrored_ids(kafka, catalogue) == sent


async def test_on_a_quiet_topic_keepalives_move_the_position(kafka, catalogue):
    async with running_simulator(keepalive_s=0.1, topics=("/event/ByocOutbound__e", "/event/Other__e")) as sim:
        publish(sim, 1)
        async with running(source_task(kafka.bootstrap_servers, catalogue, sim, checkpoint_interval_s="0")):
            await has_mirrored(kafka, catalogue, 1)
            first = stored_positions(kafka, catalogue)[-1]["replayId"]
            sim.publish(message_payload("x", "e", "elsewhere"), topic="/event/Other__e")
            await eventually(
                lambda: stored_positions(kafka, catalogue)[-1]["replayId"] != first, "a position past the keepalive"
            )
        assert len(mirrored(kafka, catalogue)) == 1


# -- events that cannot be mirrored


def unknown_schema(sim: RunningSimulator) -> bytes:
    return protobuf_bytes.producer_event("uuid-unknown-schema", "NoSuchSchemaIdAtAll000", b"\x02\x02a")


POISON = {
    "no Avro": lambda sim: sim.publish_bytes(b"\xff\xff\xff\xff"),
    "no JSON": lambda sim: sim.publish("{ not json"),
    "no conversation": lambda sim: sim.publish({"payload": {"entryType": "Message"}}),
    "no payload": lambda sim: sim.publish(None),
    "unknown schema": lambda sim: sim.org.publish_bytes(
        sim.topic, b"\x02\x02a", event_uuid="uuid-unknown-schema", serialised=unknown_schema(sim)
    ),
}


async def test_what_cannot_be_mirrored_goes_to_the_dead_letters_with_its_bytes_and_its_reason(kafka, catalogue, sim):
    sent, poisoned = publish(sim, 10), []
    for number, poison in enumerate(POISON.values()):
        poisoned.append(poison(sim).event_uuid)
        sent += publish(sim, 10, start=10 * (number + 1))
    async with running(source_task(kafka.bootstrap_servers, catalogue, sim)):
        await has_mirrored(kafka, catalogue, len(sent))
    assert mirrored_ids(kafka, catalogue) == sent
    letters = kafka.read_committed(catalogue.dead_letters)
    headers = [dict(letter.headers) for letter in letters]
    assert [found["sf.event_uuid"].decode() for found in headers] == poisoned
    assert letters[0].value == b"\xff\xff\xff\xff"
    assert [found["__connect.errors.stage"].decode() for found in headers] == [
        "VALUE_CONVERTER",
        "VALUE_CONVERTER",
        "KEY_CONVERTER",
        "VALUE_CONVERTER",
        "VALUE_CONVERTER",
    ]
    for found in headers:
        assert found["__connect.errors.connector.name"] == NAME.encode()
        assert found["__connect.errors.topic"] == sim.topic.encode()
        assert found["__connect.errors.exception.message"]
        assert len(found["sf.replay_id"]) == 10


async def test_an_unreadable_event_stops_the_task_in_front_of_it_when_errors_are_not_tolerated(kafka, catalogue, sim):
    sent = publish(sim, 3)
    async with running(source_task(kafka.bootstrap_servers, catalogue, sim)) as run:
        await has_mirrored(kafka, catalogue, 3)
        assert not run.done()
    poison = POISON["no JSON"](sim)
    message = await failure_of(source_task(kafka.bootstrap_servers, catalogue, sim, errors_tolerance="none"))
    assert poison.event_uuid in message
    assert "errors.tolerance=all" in message
    assert kafka.read_committed(catalogue.dead_letters) == []
    sent += publish(sim, 3, start=3)
    async with running(source_task(kafka.bootstrap_servers, catalogue, sim)):
        await has_mirrored(kafka, catalogue, 6)
    assert mirrored_ids(kafka, catalogue) == sent
    assert len(kafka.read_committed(catalogue.dead_letters)) == 1


async def test_an_event_that_kafka_refuses_ends_the_task_with_what_to_change(kafka, unique, sim):
    topics = unique.topics
    for spec in topics.catalogue(4):
        config = {**spec.config, "max.message.bytes": "20000"} if spec.name == topics.events else spec.config
        kafka.create_topic(spec.name, spec.partitions, config)
    sim.publish_message("c1", "x" * 50_000)
    message = await failure_of(source_task(kafka.bootstrap_servers, topics, sim))
    assert "max.message.bytes" in message
    assert stored_positions(kafka, topics) == []


# -- connections that break


async def test_connections_that_are_cut_again_and_again_lose_and_repeat_nothing(kafka, catalogue, sim):
    async with tcp_proxy(sim.grpc_address) as proxy:
        task = source_task(kafka.bootstrap_servers, catalogue, sim, salesforce_pubsub_endpoint=proxy.address)
        async with running(task):
            sent = []
            for part in range(5):
                sent += publish(sim, 150, start=150 * part)
                await has_mirrored(kafka, catalogue, len(sent) - 100)
                await proxy.cut()
            await has_mirrored(kafka, catalogue, len(sent))
        assert proxy.accepted >= 6
    assert mirrored_ids(kafka, catalogue) == sent


async def test_a_connection_that_goes_silent_is_replaced(kafka, catalogue):
    async with running_simulator(keepalive_s=0.2) as sim, tcp_proxy(sim.grpc_address) as proxy:
        keys = {"salesforce_pubsub_endpoint": proxy.address, "watchdog_timeout_s": "1"}
        async with running(source_task(kafka.bootstrap_servers, catalogue, sim, **keys)):
            sent = publish(sim, 10)
            await has_mirrored(kafka, catalogue, 10)
            proxy.swallowing = True
            sent += publish(sim, 10, start=10)
            accepted = proxy.accepted
            await eventually(lambda: proxy.accepted > accepted, "a new connection")
            proxy.swallowing = False
            await proxy.cut()
            await has_mirrored(kafka, catalogue, 20)
    assert mirrored_ids(kafka, catalogue) == sent


async def test_a_revoked_token_is_replaced_at_the_next_call(kafka, catalogue, sim):
    async with tcp_proxy(sim.grpc_address) as proxy:
        task = source_task(kafka.bootstrap_servers, catalogue, sim, salesforce_pubsub_endpoint=proxy.address)
        async with running(task):
            sent = publish(sim, 10)
            await has_mirrored(kafka, catalogue, 10)
            sim.org.tokens.revoke()
            await proxy.cut()
            sent += publish(sim, 10, start=10)
            await has_mirrored(kafka, catalogue, 20)
    assert mirrored_ids(kafka, catalogue) == sent


# -- a position that no longer exists


def store_position(kafka: TestBroker, topics: Topics, sim: RunningSimulator, replay_id: bytes) -> None:
    """Write a position as a tool would."""
    value = json.dumps(offset_of(replay_id, 1, None)).encode()
    kafka.produce(topics.connect_offsets, [(offset_key(NAME, partition_of(sim.topic)), value)])


LOST = b"\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00"


async def test_a_position_that_no_longer_exists_stops_the_task_by_default(kafka, catalogue, sim):
    publish(sim, 5)
    store_position(kafka, catalogue, sim, LOST)
    message = await failure_of(source_task(kafka.bootstrap_servers, catalogue, sim))
    assert "replay.gap.policy" in message
    assert LOST.hex() in message
    assert mirrored(kafka, catalogue) == []


async def test_a_gap_that_is_allowed_leaves_a_marker_and_goes_on(kafka, catalogue, sim):
    sent = publish(sim, 5)
    store_position(kafka, catalogue, sim, LOST)
    task = source_task(kafka.bootstrap_servers, catalogue, sim, replay_gap_policy="earliest")
    async with running(task):
        await has_mirrored(kafka, catalogue, 5)
    assert mirrored_ids(kafka, catalogue) == sent
    (marker,) = kafka.read_committed(catalogue.dead_letters)
    assert json.loads(marker.value or b"")["gap"]["afterReplayId"] == LOST.hex()
    assert dict(marker.headers)["__connect.errors.exception.class.name"] == b"ReplayGap"


async def test_a_stored_position_that_is_damaged_is_never_taken_for_none(kafka, catalogue, sim):
    publish(sim, 5)
    key = offset_key(NAME, partition_of(sim.topic))
    kafka.produce(catalogue.connect_offsets, [(key, b'{"replayId":"***"}')])
    assert "stored position" in await failure_of(source_task(kafka.bootstrap_servers, catalogue, sim))
    assert mirrored(kafka, catalogue) == []


# -- two owners, crashes, a broker that goes away


def predecessor(kafka: TestBroker, topics: Topics) -> TransactionalProducer:
    """A producer with the transactional id of the task, as an older worker has it."""
    producer = TransactionalProducer(
        bootstrap_servers=kafka.bootstrap_servers, transactional_id=source_transactional_id(topics)
    )
    producer.init(KAFKA_TIMEOUT_S)
    return producer


def half_written(producer: TransactionalProducer, topics: Topics, sim: RunningSimulator, entry: LedgerEntry) -> None:
    """The predecessor mirrors an event and moves the position past it, without committing."""
    replay_id = entry.replay_id
    event = OutboundEvent(
        event_uuid=entry.event_uuid,
        replay_id=replay_id,
        schema_id="s",
        topic=sim.topic,
        org_id=sim.org_id,
        event_type="Interaction",
        conversation_id="c0",
        created_at_ms=1,
        received_at_ms=1,
        payload="{}",
    )
    position = json.dumps(offset_of(replay_id, clock.now_ms(), None)).encode()
    producer.begin()
    producer.produce(
        [
            (topics.events, encode(event), b"c0", None),
            (topics.connect_offsets, position, offset_key(NAME, partition_of(sim.topic)), None),
        ]
    )
    producer.flush(KAFKA_TIMEOUT_S)


async def test_the_open_transaction_of_an_older_task_never_shows(kafka, catalogue, sim):
    newest = sim.publish_message("c0", "hello")
    older = await asyncio.to_thread(predecessor, kafka, catalogue)
    await asyncio.to_thread(half_written, older, catalogue, sim, newest)
    async with running(source_task(kafka.bootstrap_servers, catalogue, sim)):
        await has_mirrored(kafka, catalogue, 1)
        with pytest.raises(Fenced):
            await asyncio.to_thread(older.commit)
    assert mirrored_ids(kafka, catalogue) == [newest.event_uuid]


async def test_a_predecessor_cannot_commit_after_the_position_was_read(kafka, catalogue, sim, monkeypatch):
    """It tries at the worst moment: between the read of the position and the first event.

    With the read before the fencing it would succeed, and the new task would mirror the same event again.
    """
    newest = sim.publish_message("c0", "hello")
    older = await asyncio.to_thread(predecessor, kafka, catalogue)
    await asyncio.to_thread(half_written, older, catalogue, sim, newest)
    outcomes = []

    def read_then_predecessor_commits(**arguments):
        offsets = read_offsets(**arguments)
        try:
            older.commit()
        except Fenced:
            outcomes.append("fenced")
        else:
            outcomes.append("committed")
        return offsets

    monkeypatch.setattr(session_module, "read_offsets", read_then_predecessor_commits)
    async with running(source_task(kafka.bootstrap_servers, catalogue, sim)):
        await has_mirrored(kafka, catalogue, 1)
    assert mirrored_ids(kafka, catalogue) == [newest.event_uuid]
    assert outcomes == ["fenced"]


async def test_a_task_that_another_worker_took_over_says_so_and_loses_nothing(kafka, catalogue, sim):
    sent = publish(sim, 20)
    async with running(source_task(kafka.bootstrap_servers, catalogue, sim)) as older:
        await has_mirrored(kafka, catalogue, 20)
        async with running(source_task(kafka.bootstrap_servers, catalogue, sim)):
            sent += publish(sim, 20, start=20)
            with pytest.raises(TaskFailed, match="another worker has taken this task over"):
                await asyncio.wait_for(older, 60)
            await has_mirrored(kafka, catalogue, 40)
    assert mirrored_ids(kafka, catalogue) == sent


async def test_what_a_crashed_broker_left_of_a_predecessors_transaction_does_not_come_twice(kafka, catalogue, sim):
    sent = publish(sim, 1)
    key = offset_key(NAME, partition_of(sim.topic))
    places = [(catalogue.events, number) for number in range(4)]
    places += [(catalogue.connect_offsets, number) for number in range(25)]
    with unverified_writes(kafka.bootstrap_servers):
        await leave_hanging(kafka.bootstrap_servers, source_transactional_id(catalogue), places, b"{}", key)
        async with running(source_task(kafka.bootstrap_servers, catalogue, sim)):
            await has_mirrored(kafka, catalogue, 1)
    assert mirrored_ids(kafka, catalogue) == sent


async def test_the_position_is_read_to_the_end_although_another_tasks_transaction_stands_before_it(kafka, catalogue):
    key = offset_key("mine", {"topic": "/event/X__e"})
    other = TransactionalProducer(
        bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"{catalogue.prefix}-other"
    )
    mine = TransactionalProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"{catalogue.prefix}-mine")
    topic = kafka.create_topic(f"{catalogue.prefix}-one-partition", 1, {"cleanup.policy": "compact"})

    def write() -> None:
        for producer in (other, mine):
            producer.init(KAFKA_TIMEOUT_S)
            producer.begin()
        other.produce([(topic, b'{"replayId":"b3RoZXI="}', b'["other",{"topic":"/event/X__e"}]', None)])
        other.flush(KAFKA_TIMEOUT_S)
        mine.produce([(topic, b'{"replayId":"bWluZQ=="}', key, None)])
        mine.commit()

    await asyncio.to_thread(write)
    reading = asyncio.create_task(
        asyncio.to_thread(
            read_offsets, bootstrap_servers=kafka.bootstrap_servers, topic=topic, connector="mine", timeout_s=30.0
        )
    )
    done, _ = await asyncio.wait({reading}, timeout=2)
    assert not done, "it answered while a transaction before the end was open"
    await asyncio.to_thread(other.abort)
    assert await reading == {'{"topic":"/event/X__e"}': {"replayId": "bWluZQ=="}}


async def test_a_worker_that_is_killed_again_and_again_mirrors_each_event_once(kafka, catalogue, sim, tmp_path):
    """Killed in the middle of a backlog: thousands of events are received and not committed at that moment."""
    worker = worker_properties(kafka.bootstrap_servers, catalogue)
    sent = publish(sim, 15_000, conversations=50)
    for life in range(4):
        async with connect_process(tmp_path, worker, source_config(sim)) as process:
            if life < 3:
                target = (life + 1) * 3_000
                await eventually(
                    lambda target=target: sum(kafka.end_offsets(catalogue.events).values()) > target, "the next kill"
                )
                await process.kill()
            else:
                await has_mirrored(kafka, catalogue, len(sent))
                assert await process.stop() == 0
    assert mirrored_ids(kafka, catalogue) == sent


@pytest.mark.slow
async def test_a_broker_that_is_paused_and_killed_under_load_costs_nothing(own_kafka, sim, unique: Unique):
    kafka = TestBroker(own_kafka.bootstrap_servers)
    topics = kafka.create_catalogue(unique.topics)
    sent: list[str] = []

    async def load(events: int) -> None:
        for _ in range(events // 20):
            sent.extend(publish(sim, 20, start=len(sent)))
            await asyncio.sleep(0.01)

    async with running(source_task(kafka.bootstrap_servers, topics, sim)) as run:
        await load(400)
        own_kafka.pause()
        await load(400)
        own_kafka.resume()
        await load(200)
        await asyncio.to_thread(own_kafka.kill)
        await load(400)
        await asyncio.to_thread(own_kafka.start)
        await load(200)
        await has_mirrored(kafka, topics, len(sent))
        assert not run.done()
    assert mirrored_ids(kafka, topics) == sent


@pytest.mark.slow
async def test_a_transaction_that_expired_while_kafka_was_away_is_no_takeover(own_kafka, sim, unique: Unique):
    kafka = TestBroker(own_kafka.bootstrap_servers)
    topics = kafka.create_catalogue(unique.topics)
    keys = {"producer_override_transaction_timeout_ms": "2000"}
    async with running(source_task(kafka.bootstrap_servers, topics, sim, **keys)) as run:
        sent = publish(sim, 50)
        await has_mirrored(kafka, topics, 50)
        for part in range(2):
            sent += publish(sim, 50, start=50 + 100 * part)
            own_kafka.pause()
            sent += publish(sim, 50, start=100 + 100 * part)
            await asyncio.sleep(14)  # the broker looks for expired transactions every ten seconds
            own_kafka.resume()
            await has_mirrored(kafka, topics, len(sent))
        assert not run.done()
    assert mirrored_ids(kafka, topics) == sent


async def test_memory_is_bounded_while_kafka_is_away(own_kafka, sim, unique: Unique):
    kafka = TestBroker(own_kafka.bootstrap_servers)
    topics = kafka.create_catalogue(unique.topics)
    task = source_task(kafka.bootstrap_servers, topics, sim, max_inflight_events="200")
    async with running(task):
        sent = publish(sim, 20)
        await has_mirrored(kafka, topics, 20)
        own_kafka.pause()
        sent += publish(sim, 2000, start=20)
        subscription = task.subscription
        await eventually(lambda: subscription.position.inflight_events == 200, "as many in flight as allowed")
        await asyncio.sleep(0.3)  # time in which more would have been asked for
        assert subscription.position.inflight_events == 200
        assert subscription.credit.outstanding == 0
        own_kafka.resume()
        await has_mirrored(kafka, topics, len(sent))
    assert mirrored_ids(kafka, topics) == sent
