"""What the Pub/Sub API does to its subscribers, one failure after another: `docs/failures.md` has the list.

Each is provoked in the simulator, on a real Kafka, and ends with the verdict: nothing lost, nothing twice, order kept,
the stored position that of the last visible record.
"""

import asyncio
import json
import logging
import signal
import time
from itertools import pairwise

import pytest

from bench.far_away import far_away
from connectors.errors import TaskFailed
from connectors.pubsub.protocol.policy import Policy
from simulator.events.event_schema import EventSchema
from simulator.faults import fault
from simulator.faults.rpc_errors import Status
from tests.support.dying_source import EXIT_FAILED, dying_source
from tests.support.kafka import TestBroker
from tests.support.mirror import Mirror
from tests.support.simulator import RunningSimulator, running_simulator
from tests.support.sinks import eventually
from tests.support.source import mirrored, stored_positions

pytestmark = pytest.mark.broker

EVER = None


@pytest.fixture
async def mirror(kafka, catalogue):
    """An org whose keepalives are too rare to be seen."""
    async with running_simulator(keepalive_s=30) as sim:
        yield Mirror(kafka, catalogue, sim)


def streams(sim: RunningSimulator):
    """The open Subscribe calls whose first request has come."""
    return [call for call in sim.org.calls.shown() if call.rpc == "Subscribe" and call.replay_preset is not None]


async def failure_of(mirror: Mirror, **keys: str) -> str:
    """Run a task that must fail; return its message."""
    with pytest.raises(TaskFailed) as caught:
        await asyncio.wait_for(mirror.task(**keys).run(lambda: None), 60)
    return str(caught.value)


# -- connections


async def test_a_connection_that_goes_dark_is_replaced(kafka, catalogue):
    async with running_simulator(keepalive_s=0.2, wire_faults=True) as sim:
        mirror = Mirror(kafka, catalogue, sim)
        hole = mirror.order(fault.BlackHole(rpc="Subscribe", after_events=50))
        mirror.publish(100)
        async with mirror.mirroring(watchdog_timeout_s="1"):
            await mirror.caught_up()
        assert hole.happened == 1
        mirror.verify(keepalives=True)


async def test_a_stream_that_falls_silent_on_a_living_connection_is_replaced(kafka, catalogue):
    async with running_simulator(keepalive_s=0.2) as sim:
        mirror = Mirror(kafka, catalogue, sim)
        silence = mirror.order(fault.Silence(rpc="Subscribe", after_events=50))
        mirror.publish(100)
        async with mirror.mirroring(watchdog_timeout_s="1"):
            await mirror.caught_up()
        assert silence.happened == 1
        mirror.verify(keepalives=True)


async def test_a_stream_is_left_alone_as_long_as_keepalives_come(kafka, catalogue):
    async with running_simulator(keepalive_s=0.5) as sim:
        mirror = Mirror(kafka, catalogue, sim)
        mirror.publish(1)
        async with mirror.mirroring(watchdog_timeout_s="2"):
            await mirror.caught_up()
            await asyncio.sleep(3)
            assert mirror.opened() == 1
        mirror.verify(keepalives=True)


async def test_a_watchdog_below_the_promised_keepalive_is_warned_about(mirror, caplog):
    assert Policy(topic="/event/X__e").watchdog_s > 270
    mirror.publish(1)
    with caplog.at_level(logging.WARNING):
        async with mirror.mirroring():
            await mirror.caught_up()
        assert "watchdog" not in caplog.text
        async with mirror.mirroring(watchdog_timeout_s="62"):
            await eventually(lambda: mirror.opened() == 2, "the second stream")
        assert "watchdog.timeout.s is below what Salesforce promises" in caplog.text


async def test_a_dead_stream_is_noticed_while_kafka_hangs(own_kafka, unique):
    async with running_simulator(keepalive_s=0.2) as sim:
        kafka = TestBroker(own_kafka.bootstrap_servers)
        mirror = Mirror(kafka, kafka.create_catalogue(unique.topics), sim)
        async with mirror.mirroring(watchdog_timeout_s="1"):
            mirror.publish(20)
            await mirror.caught_up()
            own_kafka.pause()
            mirror.publish(20)
            await eventually(lambda: streams(sim)[0].sent_events == 40, "events that Kafka does not take")
            mirror.order(fault.Silence(rpc="Subscribe", after_events=0))
            await eventually(lambda: mirror.opened() >= 2, "another stream, while Kafka hangs")
            own_kafka.resume()
            await mirror.caught_up()
        mirror.verify(keepalives=True)


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(fault.End(after_events=20), id="in order"),
        pytest.param(fault.Fail(error_code="service.unavailable", after_events=20, times=2), id="unavailable"),
        pytest.param(
            fault.Fail(status=Status.UNAVAILABLE, text="upstream connect error", after_events=3), id="no trailers"
        ),
        pytest.param(
            fault.Fail(error_code="subscription.something.new", status=Status.UNKNOWN, after_events=9), id="new"
        ),
        pytest.param(fault.Reset(http2_error=2, after_events=50), id="reset"),
        pytest.param(fault.GoAway(after_events=30), id="goaway"),
        pytest.param(fault.Cut(after_events=7), id="tcp reset"),
    ],
)
async def test_a_stream_that_ends_in_whatever_way_goes_on_after_the_last_event_received(kafka, catalogue, ending):
    async with running_simulator(keepalive_s=30, wire_faults=True) as sim:
        mirror = Mirror(kafka, catalogue, sim)
        async with mirror.mirroring():
            mirror.publish(10)
            await mirror.caught_up()  # a reset takes along what was not read: without these it could be all there is
            ended = mirror.order(ending)
            mirror.publish(100)
            await mirror.caught_up()
            await eventually(lambda: len(streams(sim)) == 1, "one stream")
            (stream,) = streams(sim)
        assert ended.happened == (ending.times or 0)
        assert stream.replay_preset == "CUSTOM"
        assert stream.replay_id in {entry.replay_id for entry in mirror.published()}
        assert mirror.opened() == 1 + ended.happened
        mirror.verify()


async def test_maintenance_that_refuses_connections_for_a_while_costs_nothing(mirror):
    async with mirror.mirroring():
        mirror.publish(50)
        await mirror.caught_up()
        mirror.order(fault.Maintenance(seconds=1.5))
        await eventually(lambda: not streams(mirror.sim), "the end of the stream")
        mirror.publish(50)
        await mirror.caught_up()
    assert mirror.opened() >= 2
    mirror.verify()


async def test_there_is_never_a_second_stream_whatever_ends_the_first(kafka, catalogue):
    most = 0
    async with running_simulator(keepalive_s=0.2) as sim:
        mirror = Mirror(kafka, catalogue, sim)
        endings = (
            fault.End(rpc="Subscribe", after_events=0),
            fault.Silence(rpc="Subscribe", after_events=0),
            fault.Fail(rpc="Subscribe", error_code="service.unavailable", after_events=0),
        )
        async with mirror.mirroring(watchdog_timeout_s="1"):
            for ending in endings * 2:
                mirror.publish(20)
                await eventually(lambda: len(streams(sim)) == 1, "the stream")
                opened = mirror.opened()
                mirror.order(ending)
                while mirror.opened() == opened:
                    most = max(most, len(streams(sim)))
                    await asyncio.sleep(0.005)
            mirror.publish(20)
            await mirror.caught_up()
            most = max(most, len(streams(sim)))
        assert most == 1
        assert sim.org.calls.delivered == {sim.client_id: len(mirror.published())}
        mirror.verify(keepalives=True)


async def test_a_server_that_accepts_and_then_fails_is_asked_less_and_less_often(mirror):
    mirror.publish(10)
    mirror.order(fault.Fail(rpc="Subscribe", error_code="service.unavailable", after_events=0, times=4))
    task = mirror.task()
    running = asyncio.create_task(task.run(lambda: None))
    opened_s: list[float] = []
    while len(opened_s) < 5:
        if mirror.opened() > len(opened_s):
            opened_s.append(time.monotonic())
        await asyncio.sleep(0.005)
    pauses_s = [later - earlier for earlier, later in pairwise(opened_s)]
    await mirror.caught_up()
    await task.stop()
    await running
    # half of 0.5, 1, 2 and 4 s at least, less what the look at them takes
    assert all(pause_s > least_s for pause_s, least_s in zip(pauses_s, (0.2, 0.45, 0.95, 1.9), strict=True)), pauses_s
    mirror.verify()


@pytest.mark.parametrize("close", ["ok", "unavailable", "reset"])
async def test_a_stream_that_is_closed_for_want_of_credit_goes_on_where_it_was(kafka, catalogue, close):
    """The first schema comes late: as much as memory may hold is received, and no more is asked for."""
    async with running_simulator(zero_credit_close_s=0.3, zero_credit_close=close, wire_faults=True) as sim:
        mirror = Mirror(kafka, catalogue, sim)
        mirror.publish(300)
        mirror.order(fault.Slow(rpc="GetSchema", seconds=1))
        async with mirror.mirroring(max_inflight_events="100"):
            await eventually(lambda: mirror.opened() == 1 and not streams(sim), "the end of the stream")
            await mirror.caught_up()
        assert mirror.opened() == 2
        mirror.verify()


async def test_keepalives_between_events_neither_stop_nor_hurry_the_requests(kafka, catalogue):
    async with running_simulator(keepalive_s=0.02) as sim:
        mirror = Mirror(kafka, catalogue, sim)
        async with mirror.mirroring(checkpoint_interval_s="0"):
            for _ in range(6):
                await asyncio.sleep(0.2)  # ten keepalives
                mirror.publish(35)
            await mirror.caught_up()
            (stream,) = streams(sim)
        assert mirror.opened() == 1
        assert 50 < stream.pending <= 100
        mirror.verify(keepalives=True)


async def test_a_backlog_over_a_long_way_comes_as_fast_as_credit_allows(mirror):
    round_trip_s = 0.1
    mirror.publish(2000)
    async with (
        far_away(mirror.sim.grpc_address, round_trip_s) as forwarder,
        mirror.mirroring(salesforce_pubsub_endpoint=forwarder.address),
    ):
        await mirror.visible_events(200)
        began_s, before = time.monotonic(), streams(mirror.sim)[0].sent_events
        await asyncio.sleep(10 * round_trip_s)
        sent = streams(mirror.sim)[0].sent_events - before
        round_trips = (time.monotonic() - began_s) / round_trip_s
        assert 0.7 * 100 <= sent / round_trips <= 1.15 * 100
        await mirror.caught_up()
    mirror.verify()


# -- positions


async def test_a_position_that_left_the_retention_ends_the_task_once_and_stays_as_it_is(mirror):
    mirror.publish(5)
    async with mirror.mirroring():
        await mirror.caught_up()
    position, opened = mirror.position(), mirror.opened()
    mirror.sim.org.clock.advance(259_300_000)
    message = await failure_of(mirror)
    assert position is not None
    assert position.hex() in message
    assert "replay.gap.policy" in message
    assert mirror.opened() == opened + 1
    mirror.verify()


async def test_the_policy_latest_leaves_a_marker_and_goes_on_with_new_events(mirror):
    mirror.publish(5)
    async with mirror.mirroring():
        await mirror.caught_up()
    mirror.publish(3)  # these are the gap
    mirror.order(fault.MigrateOrg(old_ids="invalid"))
    async with mirror.mirroring(replay_gap_policy="latest"):
        await eventually(lambda: bool(mirror.dead_letters()), "the marker")
        await eventually(lambda: bool(streams(mirror.sim)), "the stream from latest")
        mirror.publish(10)
        await mirror.visible_events(15)
    (marker,) = mirror.kafka.read_committed(mirror.topics.dead_letters)
    assert json.loads(marker.value or b"")["gap"]["continuedFrom"] == "latest"
    mirror.verify(without=8)


async def test_an_invalid_argument_that_is_not_about_the_replay_id_leaves_the_position_alone(mirror):
    mirror.publish(5)
    async with mirror.mirroring(replay_gap_policy="earliest"):
        await mirror.caught_up()
    before = stored_positions(mirror.kafka, mirror.topics)
    for code in ("subscription.fetch.request.invalid", None):
        mirror.order(fault.Fail(rpc="Subscribe", error_code=code, status=Status.INVALID_ARGUMENT, text="no such thing"))
        message = await failure_of(mirror, replay_gap_policy="earliest")
        assert "INVALID_ARGUMENT" in message
    assert stored_positions(mirror.kafka, mirror.topics) == before
    mirror.publish(5)
    async with mirror.mirroring():
        await mirror.caught_up()
    mirror.verify()


async def test_a_quiet_topic_resumes_after_three_days(kafka, catalogue):
    """72 h of retention pass in steps of 6 h while nothing is published: only keepalives move the position."""
    async with running_simulator(keepalive_s=120, topics=("/event/ByocOutbound__e", "/event/Other__e")) as sim:
        mirror = Mirror(kafka, catalogue, sim)
        mirror.publish(3)
        async with mirror.mirroring(checkpoint_interval_s="0"):
            await mirror.caught_up()
            for _ in range(13):
                before = mirror.position()
                sim.publish({}, topic="/event/Other__e")  # positions are counted over the whole org
                sim.org.clock.advance(6 * 3_600_000)
                for _ in range(5):  # about a second; a position that stays behind ends the task after the restart
                    if await asyncio.to_thread(mirror.position) != before:
                        break
                    await asyncio.sleep(0.1)
        assert mirror.opened() == 1
        mirror.publish(3)
        async with mirror.mirroring():
            await mirror.caught_up()
        mirror.verify()


async def test_the_position_stays_in_front_of_events_whose_schema_is_waited_for(mirror):
    """The second half of a batch has a schema that cannot be had; the task ends there and another one goes on."""
    mirror.publish(20)
    mirror.order(fault.ChangeSchema(add=[fault.NewField(name="Extra__c", type="string", value="x")]))
    mirror.publish(20)
    async with mirror.mirroring():
        pass
    outage = mirror.order(fault.Fail(rpc="GetSchema", error_code="schema.api.unavailable", times=EVER))
    async with mirror.mirroring():
        mirror.order(fault.ChangeSchema(add=[fault.NewField(name="More__c", type="string", value="x")]))
        mirror.publish(20)
        await eventually(lambda: outage.happened >= 2, "the schema being asked for")
    assert mirror.verdict().behind == 0
    mirror.sim.org.faults.remove(outage.id)
    async with mirror.mirroring():
        await mirror.caught_up()
    assert mirror.dead_letters() == []
    mirror.verify()


async def test_the_position_is_kept_in_kafka_and_every_preset_goes_over_the_wire_as_it_is_meant(mirror):
    mirror.publish(5)
    presets = []
    for preset in ("earliest", "latest"):
        async with mirror.mirroring(replay_preset=preset):
            await mirror.caught_up()
            (stream,) = streams(mirror.sim)
            presets.append((stream.replay_preset, stream.replay_id))
    assert presets == [("EARLIEST", b""), ("CUSTOM", mirror.published()[-1].replay_id)]
    assert "ManagedSubscribe" not in mirror.sim.org.calls.opened
    mirror.verify()


async def test_from_latest_the_first_position_is_pinned_before_anything_can_break(kafka, catalogue):
    async with running_simulator(keepalive_s=0.2) as sim:
        mirror = Mirror(kafka, catalogue, sim)
        mirror.publish(10)  # before the start: not wanted
        keys = {"replay_preset": "latest", "replay_latest_settle_s": "0.1"}
        async with mirror.mirroring(**keys):
            (stream,) = streams(sim)
            assert stream.replay_preset == "LATEST"
            await eventually(lambda: mirror.position() is not None, "a position without any event")
            mirror.order(fault.Maintenance(seconds=0.5))
            mirror.publish(10)
            await mirror.visible_events(10)
        mirror.verify(keepalives=True, without=10)


# -- events and schemas


async def test_a_schema_that_comes_after_a_while_costs_no_event(mirror):
    outage = mirror.order(fault.Fail(rpc="GetSchema", error_code="schema.api.unavailable", times=3))
    mirror.publish(50)
    async with mirror.mirroring():
        await mirror.caught_up()
    assert outage.happened == 3
    assert mirror.dead_letters() == []
    mirror.verify()


async def test_an_event_that_stays_unreadable_is_given_up_although_its_neighbours_are_fine(mirror):
    """Its stream breaks and good events arrive meanwhile: neither starts the count of its failures again."""
    mirror.order(fault.Damage(how="unknown_schema", after_events=5))
    mirror.order(fault.End(rpc="Subscribe", after_events=8))
    mirror.publish(10)
    async with mirror.mirroring():
        for _ in range(5):
            await asyncio.sleep(0.2)
            mirror.publish(3)
        await mirror.caught_up()
    assert mirror.dead_letters() == [mirror.published()[5].event_uuid]
    assert mirror.opened("GetSchema") <= 8
    mirror.verify()


async def test_damaged_events_among_good_ones_neither_stop_the_stream_nor_its_credit(mirror):
    for how in ("noise", "truncated", "surplus", "empty"):
        mirror.order(fault.Damage(how=how, after_events=30, times=2))
    mirror.order(fault.Split(rpc="Subscribe", events=7, times=EVER))
    mirror.publish(400)
    async with mirror.mirroring():
        await mirror.caught_up()
        (stream,) = streams(mirror.sim)
    assert len(mirror.dead_letters()) >= 2
    assert mirror.opened() == 1
    assert 0 < stream.pending <= 100
    mirror.verify()


async def test_fields_that_come_and_go_in_mid_stream_are_read_by_each_events_own_schema(mirror):
    mirror.publish(30)
    big = 2**60 + 1
    mirror.order(fault.ChangeSchema(add=[fault.NewField(name="CommitNumber__c", type="long", value=big)]))
    mirror.publish(30)
    mirror.sim.publish({"conversationIdentifier": "c1", "payload": {"n": big}})
    mirror.order(fault.ChangeSchema(remove=["CommitNumber__c"]))
    mirror.publish(30)
    async with mirror.mirroring():
        await mirror.caught_up()
    events = sorted(mirrored(mirror.kafka, mirror.topics), key=lambda event: event.replay_id)
    assert len({event.schema_id for event in events}) >= 2
    assert json.loads(events[60].payload)["payload"]["n"] == big
    assert mirror.dead_letters() == []
    mirror.verify()


async def test_a_schema_is_fetched_once_however_many_events_and_streams_need_it(mirror):
    mirror.publish(200)
    mirror.order(fault.End(rpc="Subscribe", after_events=50, times=2))
    async with mirror.mirroring():
        await mirror.caught_up()
    assert mirror.opened() == 3
    assert mirror.opened("GetSchema") == 1
    mirror.verify()


async def test_an_event_of_another_type_on_a_channel_is_never_read_as_ours(kafka, catalogue):
    async with running_simulator(keepalive_s=30) as sim:
        other = "/event/Invoice__e"
        sim.org.declare_topic(EventSchema(other, "Kind__c", "Amount__c"))
        sim.org.declare_channel("/event/All__chn", [sim.topic, other])
        mirror = Mirror(kafka, catalogue, sim)
        mirror.publish(10)
        stranger = sim.publish({"conversationIdentifier": "c1"}, topic=other)
        mirror.publish(10)
        keys = {"salesforce_topics": "/event/All__chn", "salesforce_event_types": "ByocOutbound__e"}
        async with mirror.mirroring(**keys):
            await mirror.visible_events(21)
        assert mirror.dead_letters() == [stranger.event_uuid]
        mirror.verify()


# -- tokens, limits


async def test_a_token_that_is_refused_in_mid_stream_is_replaced_and_the_stream_goes_on_where_it_was(mirror):
    mirror.order(fault.Fail(rpc="Subscribe", error_code="service.auth.error", after_events=30))
    mirror.publish(60)
    async with mirror.mirroring():
        await mirror.caught_up()
        (stream,) = streams(mirror.sim)
    assert stream.replay_id == mirror.published()[29].replay_id
    assert mirror.sim.org.tokens.issued == 2
    mirror.verify()


async def test_replies_of_the_login_server_that_hold_no_token_are_not_kept(mirror):
    mirror.publish(20)
    async with mirror.mirroring():
        await mirror.caught_up()
        mirror.order(fault.LoginFault(null_token=True))
        mirror.order(fault.LoginFault(http_status=503))
        mirror.order(fault.RevokeTokens(cut=True))
        mirror.publish(20)
        await mirror.caught_up()
    mirror.verify()


async def test_a_token_that_is_refused_at_a_new_schema_hours_into_the_stream_is_replaced(mirror):
    mirror.publish(20)
    async with mirror.mirroring():
        await mirror.caught_up()
        mirror.order(fault.RevokeTokens())
        mirror.order(fault.ChangeSchema(add=[fault.NewField(name="Extra__c", type="string", value="x")]))
        mirror.publish(20)
        await mirror.caught_up()
    assert mirror.opened() == 1, "the open stream went on"
    mirror.verify()


async def test_a_limit_is_stayed_away_from_and_a_stop_need_not_wait_for_it(mirror):
    mirror.publish(20)
    refused = mirror.order(fault.Fail(rpc="Subscribe", error_code="service.protection.triggered", after_events=10))
    async with mirror.mirroring():
        await eventually(lambda: refused.happened == 1, "the refusal")
        await asyncio.sleep(2)
        assert mirror.opened() == 1
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 5
    async with mirror.mirroring():
        await mirror.caught_up()
    mirror.verify()


async def test_an_allocation_that_is_used_up_is_waited_for_at_the_same_position(mirror):
    mirror.order(fault.DeliveryAllocation(events=50))
    mirror.publish(120)
    async with mirror.mirroring():
        await mirror.visible_events(50)
        await eventually(lambda: not streams(mirror.sim), "the end of the stream")
        await asyncio.sleep(2)
        assert mirror.opened() == 1, "each attempt would cost allocation"
    assert len(mirror.visible()) == 50
    assert mirror.position() == mirror.published()[49].replay_id
    mirror.sim.org.clock.advance(86_400_000 + 1000)
    mirror.order(fault.DeliveryAllocation(events=None))
    async with mirror.mirroring():
        await eventually(lambda: bool(streams(mirror.sim)), "the stream")
        (stream,) = streams(mirror.sim)
        await mirror.caught_up()
    assert stream.replay_id == mirror.published()[49].replay_id
    mirror.verify()


# -- the way to Salesforce


async def test_a_server_with_a_certificate_of_an_own_authority_is_trusted_by_its_ca_and_not_without(
    kafka, catalogue, tmp_path, monkeypatch
):
    """In a process of its own, so that the login server is trusted as an operating system would be told to."""
    async with running_simulator(keepalive_s=30, tls_dir=tmp_path) as sim:
        ca = str(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", ca)
        mirror = Mirror(kafka, catalogue, sim)
        mirror.publish(20)
        keys = {"salesforce_pubsub_tls": "true", "start_timeout_s": "1"}
        async with dying_source(mirror, **keys) as source:
            code, last_words = await source.ended()
        assert code == EXIT_FAILED
        assert "CERTIFICATE_VERIFY_FAILED" in last_words
        async with dying_source(mirror, **keys, salesforce_pubsub_ca_file=ca, salesforce_ca_file=ca) as source:
            await mirror.caught_up()
            source.send(signal.SIGTERM)
            assert (await source.ended())[0] == 0
        mirror.verify()
