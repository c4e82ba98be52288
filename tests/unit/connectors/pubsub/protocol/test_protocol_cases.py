"""The subscription protocol, case by case. No I/O, no clock: inputs in, effects out."""

import pytest

from connectors.pubsub.protocol.credit import GATHER_S
from connectors.pubsub.protocol.faults import CODE_PREFIX, Action, Fault, classify
from connectors.pubsub.protocol.messages import (
    BatchDurable,
    Checkpoint,
    CloseStream,
    DeadLetterEvent,
    DropToken,
    EventUnreadable,
    Fail,
    FetchReceived,
    GapPolicy,
    OpenStream,
    RecordGap,
    ReplayPreset,
    RetryEvent,
    SendFetch,
    Serving,
    Started,
    StopRequested,
    StreamEnded,
    StreamFailed,
    StreamOpened,
    TimerFired,
    WriteEvents,
)
from connectors.pubsub.protocol.policy import Policy
from connectors.pubsub.protocol.subscription import AUTH_ATTEMPTS, EVENT_ATTEMPTS, Phase, Subscription

TOPIC = "/event/ByocOutbound__e"
OUTAGE = Fault(action=Action.RETRY, what="no answer")
REFUSED = Fault(action=Action.REFRESH_TOKEN, what="token refused")
UNCLEAR = Fault(action=Action.UNCLEAR, what="odd answer")
LOST = classify(
    code=CODE_PREFIX + "subscription.fetch.replayid.corrupted", status="INVALID_ARGUMENT", details="bad", doing="x"
)

EXCEEDED = classify(
    code=CODE_PREFIX + "subscription.limit.exceeded", status="RESOURCE_EXHAUSTED", details="used up", doing="x"
)


class Machine:
    """A subscription with a clock that moves when it is told to."""

    def __init__(self, jitter=0.5, **policy):
        self.subscription = Subscription(Policy(topic=TOPIC, **policy))
        self.now_s = 1000.0
        self.jitter = jitter

    def feed(self, event):
        return self.subscription.advance(event, now_s=self.now_s, jitter=self.jitter)

    def start(self, committed=b"committed", *, opened=True):
        effects = self.feed(Started(committed))
        if opened:
            effects += self.feed(StreamOpened(self.epoch))
        return effects

    def fetch(self, events=1, last=b"r1", latest=b"latest", pending=None, epoch=None, size=100):
        epoch = self.epoch if epoch is None else epoch
        pending = self.subscription.credit.outstanding - events if pending is None else pending
        return self.feed(FetchReceived(epoch, events, size, last if events else None, latest, pending))

    def fail(self, fault=OUTAGE):
        return self.feed(StreamFailed(self.epoch, fault))

    def retry(self):
        """Let the time of the next attempt come."""
        self.now_s = self.subscription.next_timer_s
        return self.feed(TimerFired())

    @property
    def epoch(self):
        return self.subscription.epoch

    @property
    def phase(self):
        return self.subscription.phase


def only(effects, kind):
    return [effect for effect in effects if isinstance(effect, kind)]


# -- opening


@pytest.mark.parametrize(
    ("committed", "preset", "opening"),
    [
        pytest.param(b"x", ReplayPreset.LATEST, (ReplayPreset.CUSTOM, b"x"), id="a stored position beats the preset"),
        pytest.param(None, ReplayPreset.LATEST, (ReplayPreset.LATEST, None), id="latest"),
        pytest.param(None, ReplayPreset.EARLIEST, (ReplayPreset.EARLIEST, None), id="earliest"),
    ],
)
def test_the_first_stream_starts_after_the_stored_position_or_by_the_preset(committed, preset, opening):
    machine = Machine(preset=preset)
    assert machine.start(committed, opened=False) == [OpenStream(1, *opening, 100)]


def test_a_subscription_from_latest_serves_only_after_it_has_settled():
    machine = Machine(preset=ReplayPreset.LATEST, settle_s=5)
    assert only(machine.start(None), Serving) == []
    machine.now_s += 4.9
    assert machine.feed(TimerFired()) == []
    assert machine.retry() == [Serving()]


def test_a_subscription_from_a_position_serves_at_once_and_says_so_once():
    machine = Machine()
    assert only(machine.start(), Serving) == [Serving()]
    machine.fail()
    machine.retry()
    assert machine.feed(StreamOpened(machine.epoch)) == []


# -- events and credit


def test_credit_is_asked_for_before_the_events_are_handed_over():
    machine = Machine()
    machine.start()
    assert machine.fetch(events=80, last=b"r1") == [SendFetch(80), WriteEvents(0, b"r1")]


def test_a_small_request_is_gathered_for_milliseconds_when_the_server_has_used_its_credit_up():
    machine = Machine()
    machine.start()
    assert only(machine.fetch(events=80, pending=20), SendFetch) == [SendFetch(80)]
    assert only(machine.fetch(events=20, pending=0), SendFetch) == []
    assert machine.subscription.next_timer_s == machine.now_s + GATHER_S
    assert machine.retry() == [SendFetch(20)]
    assert machine.subscription.next_timer_s > machine.now_s + 1


def test_small_requests_of_one_burst_become_one():
    machine = Machine()
    machine.start()
    machine.fetch(events=80, pending=20)
    machine.fetch(events=20, pending=0)
    assert only(machine.fetch(events=30, pending=50), SendFetch) == [SendFetch(50)]


def test_while_the_server_has_credit_left_small_requests_are_not_made():
    machine = Machine()
    machine.start()
    for outstanding in range(99, 50, -1):
        assert only(machine.fetch(events=1, pending=outstanding), SendFetch) == []
    assert machine.subscription.next_timer_s > machine.now_s + 1
    assert only(machine.fetch(events=1, pending=50), SendFetch) == [SendFetch(50)]


def test_no_credit_is_given_while_too_much_is_not_durable_and_it_comes_back_with_durability():
    machine = Machine(max_inflight_events=150)
    machine.start()
    assert machine.fetch(events=100) == [SendFetch(50), WriteEvents(0, b"r1")]
    assert machine.fetch(events=50, last=b"r2") == [WriteEvents(1, b"r2")]
    assert machine.feed(BatchDurable(0)) == [SendFetch(100)]


def test_large_responses_stop_the_credit_as_many_events_do():
    machine = Machine(max_inflight_bytes=1000)
    machine.start()
    assert only(machine.fetch(events=100, size=1000), SendFetch) == []
    assert machine.feed(BatchDurable(0)) == [SendFetch(100)]


def test_what_comes_from_a_stream_that_was_replaced_is_dropped():
    machine = Machine()
    machine.start()
    machine.fail()
    machine.retry()
    assert machine.fetch(events=3, epoch=1, pending=97) == []
    assert machine.feed(StreamEnded(1)) == []
    assert machine.feed(StreamFailed(1, LOST)) == []
    assert machine.subscription.position.inflight_events == 0


# -- reconnecting


def test_a_broken_stream_goes_on_after_the_last_received_event_not_the_last_durable_one():
    machine = Machine()
    machine.start(b"committed")
    machine.fetch(last=b"received")
    assert machine.fail() == [CloseStream("retry")]
    assert machine.retry() == [OpenStream(2, ReplayPreset.CUSTOM, b"received", 100)]


def test_a_stream_that_the_server_ends_in_order_is_opened_again():
    machine = Machine()
    machine.start()
    assert machine.feed(StreamEnded(machine.epoch)) == [CloseStream("ended")]
    assert only(machine.retry(), OpenStream)


def test_silence_beyond_the_bound_is_a_dead_connection():
    machine = Machine(watchdog_s=300)
    machine.start()
    machine.now_s += 299.9
    assert machine.feed(TimerFired()) == []
    machine.now_s += 0.1
    assert machine.feed(TimerFired()) == [CloseStream("watchdog")]
    assert only(machine.retry(), OpenStream)


def test_every_response_feeds_the_watchdog():
    machine = Machine(watchdog_s=300)
    machine.start()
    machine.now_s += 299
    machine.fetch(events=0)
    machine.now_s += 299
    assert only(machine.feed(TimerFired()), CloseStream) == []


def test_silence_is_not_watched_while_no_credit_is_outstanding():
    machine = Machine(watchdog_s=300, max_inflight_events=100)
    machine.start()
    machine.fetch(events=100)
    machine.now_s += 10_000
    assert machine.feed(TimerFired()) == []
    assert machine.subscription.next_timer_s is None


def test_a_stream_that_broke_while_memory_is_full_is_opened_when_there_is_room():
    machine = Machine(max_inflight_events=100)
    machine.start()
    machine.fetch(events=100)
    machine.fail()
    machine.now_s += 1000
    assert machine.feed(TimerFired()) == []
    machine.feed(BatchDurable(0))
    assert only(machine.retry(), OpenStream)


def test_attempts_are_counted_until_a_response_comes_not_until_a_stream_opens():
    machine = Machine()
    machine.start()
    delays = []
    for _ in range(4):
        machine.fail()
        delays.append(machine.subscription.next_timer_s - machine.now_s)
        machine.retry()
        machine.feed(StreamOpened(machine.epoch))
    assert delays == sorted(delays)
    assert delays[-1] > 4 * delays[0]
    machine.fetch()
    machine.fail()
    assert machine.subscription.next_timer_s - machine.now_s == delays[0]


def test_the_pause_that_a_failure_asks_for_is_kept_and_tasks_do_not_come_back_together():
    pauses = []
    for jitter in (0.0, 0.5, 0.999):
        machine = Machine(jitter=jitter)
        machine.start()
        machine.fail(Fault(action=Action.RETRY, what="slow down", pause_s=900))
        pauses.append(machine.subscription.next_timer_s - machine.now_s)
    assert all(900 <= pause <= 900 * 1.2 + 0.5 for pause in pauses)
    assert pauses[2] - pauses[1] > 60 < pauses[1] - pauses[0]


def test_an_allocation_that_is_used_up_for_a_day_is_asked_about_a_hundred_times_at_most():
    machine = Machine()
    machine.start(b"kept")
    began_s, openings = machine.now_s, []
    while machine.now_s < began_s + 86_400:
        assert machine.fail(EXCEEDED) == [CloseStream("subscription.limit.exceeded")]
        openings += only(machine.retry(), OpenStream)
    assert 60 <= len(openings) <= 100
    assert {opening.replay_id for opening in openings} == {b"kept"}


# -- failures that end the task


def test_a_refused_token_is_dropped_and_the_stream_opened_again():
    machine = Machine()
    machine.start()
    assert machine.fail(REFUSED) == [CloseStream("refresh_token"), DropToken()]


def test_tokens_that_are_refused_one_after_another_end_the_task():
    machine = Machine()
    machine.start()
    for _ in range(AUTH_ATTEMPTS - 1):
        assert not only(machine.fail(REFUSED), Fail)
        machine.retry()
    (failure,) = only(machine.fail(REFUSED), Fail)
    assert "tokens in a row were refused" in failure.message
    assert machine.phase is Phase.FAILED


def test_a_response_between_two_refused_tokens_starts_the_count_again():
    machine = Machine()
    machine.start()
    for _ in range(3 * AUTH_ATTEMPTS):
        assert not only(machine.fail(REFUSED), Fail)
        machine.retry()
        machine.fetch()


def test_before_anything_was_accepted_an_outage_is_bounded_because_it_may_be_a_wrong_address():
    machine = Machine(start_timeout_s=60)
    machine.start(opened=False)
    assert not only(machine.fail(), Fail)
    machine.now_s += 60
    machine.feed(TimerFired())
    (failure,) = only(machine.fail(), Fail)
    assert "salesforce.pubsub.endpoint" in failure.message


def test_once_accepted_an_outage_is_waited_for_without_end():
    machine = Machine(start_timeout_s=60)
    machine.start()
    for _ in range(100):
        assert not only(machine.fail(), Fail)
        machine.now_s += 3600
        machine.feed(TimerFired())


def test_after_the_end_nothing_happens_but_the_last_batches_still_count():
    machine = Machine()
    machine.start()
    machine.fetch(last=b"r1")
    assert machine.feed(StopRequested()) == [CloseStream("stopped")]
    assert machine.fetch(last=b"r2") == []
    assert machine.feed(TimerFired()) == []
    assert machine.feed(BatchDurable(0)) == []
    assert machine.subscription.position.durable == b"r1"


# -- a position that no longer exists


def test_a_lost_position_ends_the_task_unless_a_policy_says_otherwise():
    machine = Machine()
    machine.start(b"\x00\xab")
    (failure,) = only(machine.fail(LOST), Fail)
    assert "replay_id=00ab" in failure.message
    assert "replay.gap.policy" in failure.message


# Where the stream goes on after a gap; None: it does not. A policy that is added needs a line here.
AFTER_A_GAP = {
    GapPolicy.FAIL: None,
    GapPolicy.EARLIEST: ReplayPreset.EARLIEST,
    GapPolicy.LATEST: ReplayPreset.LATEST,
}


@pytest.mark.parametrize("policy", GapPolicy)
def test_a_gap_that_the_policy_allows_leaves_a_marker_and_goes_on_by_preset(policy):
    machine = Machine(gap_policy=policy)
    machine.start(b"gone")
    effects = machine.fail(LOST)
    if AFTER_A_GAP[policy] is None:
        assert machine.phase is Phase.FAILED
        assert only(effects, RecordGap) == []
    else:
        assert only(effects, RecordGap) == [RecordGap(0, b"gone", policy)]
        assert machine.retry() == [OpenStream(2, AFTER_A_GAP[policy], None, 100)]


def test_a_gap_policy_that_is_not_known_is_an_error_and_skips_no_event():
    machine = Machine(gap_policy="a fourth")
    machine.start(b"gone")
    with pytest.raises(AssertionError, match="a fourth"):
        machine.fail(LOST)
    assert machine.subscription.position.resume == b"gone"


def test_any_other_failure_keeps_the_position():
    machine = Machine(gap_policy=GapPolicy.EARLIEST)
    machine.start(b"kept")
    for fault in (OUTAGE, UNCLEAR, REFUSED):
        machine.fail(fault)
        (opening,) = only(machine.retry(), OpenStream)
        assert (opening.preset, opening.replay_id) == (ReplayPreset.CUSTOM, b"kept")


# -- keepalives


def test_a_keepalive_is_stored_when_nothing_is_in_flight():
    machine = Machine()
    machine.start(b"committed")
    assert machine.fetch(events=0, latest=b"newer") == [Checkpoint(0, b"newer")]
    machine.feed(BatchDurable(0))
    assert machine.subscription.position.durable == b"newer"


def test_a_keepalive_waits_for_the_events_before_it():
    machine = Machine()
    machine.start(b"committed")
    machine.fetch(last=b"event")
    assert only(machine.fetch(events=0, latest=b"newer"), Checkpoint) == []
    assert only(machine.feed(BatchDurable(0)), Checkpoint) == [Checkpoint(1, b"newer")]


def test_a_keepalive_that_was_overtaken_by_an_event_is_forgotten():
    machine = Machine()
    machine.start(b"committed")
    machine.fetch(last=b"event")
    machine.fetch(events=0, latest=b"newer")
    machine.fetch(last=b"newest event")
    machine.feed(BatchDurable(0))
    assert only(machine.feed(BatchDurable(1)), Checkpoint) == []
    assert machine.subscription.position.durable == b"newest event"


def test_keepalives_are_stored_at_most_once_per_interval():
    machine = Machine(checkpoint_interval_s=60)
    machine.start(b"committed")
    assert only(machine.fetch(events=0, latest=b"k1"), Checkpoint)
    machine.feed(BatchDurable(0))
    machine.now_s += 59
    assert only(machine.fetch(events=0, latest=b"k2"), Checkpoint) == []
    machine.now_s += 1
    assert only(machine.fetch(events=0, latest=b"k3"), Checkpoint) == [Checkpoint(1, b"k3")]


def test_an_unchanged_keepalive_is_not_stored_again():
    machine = Machine(checkpoint_interval_s=0)
    machine.start(b"committed")
    machine.fetch(events=0, latest=b"same")
    machine.feed(BatchDurable(0))
    assert only(machine.fetch(events=0, latest=b"same"), Checkpoint) == []


def test_the_first_position_of_a_fresh_subscription_is_stored_at_once():
    machine = Machine(preset=ReplayPreset.LATEST)
    machine.start(None)
    assert only(machine.fetch(events=0, latest=b"anchor"), Checkpoint) == [Checkpoint(0, b"anchor")]


# -- events that cannot be read


def test_an_outage_of_schemas_is_waited_for_without_counting():
    machine = Machine()
    machine.start()
    for _ in range(10 * EVENT_ATTEMPTS):
        (effect,) = machine.feed(EventUnreadable(b"r1", OUTAGE))
        assert isinstance(effect, RetryEvent)
    assert effect.delay_s > 10, "a long outage is asked about less and less often"


def test_an_event_that_stays_unclear_is_given_up_to_the_dead_letters():
    machine = Machine()
    machine.start()
    for _ in range(EVENT_ATTEMPTS - 1):
        assert only(machine.feed(EventUnreadable(b"r1", UNCLEAR)), RetryEvent)
    assert machine.feed(EventUnreadable(b"r1", UNCLEAR)) == [DeadLetterEvent("odd answer")]


def test_failures_are_counted_per_position_and_other_traffic_does_not_reset_them():
    machine = Machine()
    machine.start()
    for _ in range(EVENT_ATTEMPTS - 1):
        machine.feed(EventUnreadable(b"r1", UNCLEAR))
        machine.feed(EventUnreadable(b"r1", OUTAGE))
        machine.fetch()
    assert only(machine.feed(EventUnreadable(b"r1", UNCLEAR)), DeadLetterEvent)
    assert only(machine.feed(EventUnreadable(b"r2", UNCLEAR)), RetryEvent)


def test_an_event_that_cannot_be_read_ends_the_task_when_errors_are_not_tolerated():
    machine = Machine(tolerate_errors=False)
    machine.start()
    for _ in range(EVENT_ATTEMPTS - 1):
        machine.feed(EventUnreadable(b"\x01", UNCLEAR))
    (failure,) = only(machine.feed(EventUnreadable(b"\x01", UNCLEAR)), Fail)
    assert "errors.tolerance=all" in failure.message


def test_a_token_that_is_refused_for_a_schema_is_dropped():
    machine = Machine()
    machine.start()
    first, second = machine.feed(EventUnreadable(b"r1", REFUSED))
    assert (first, type(second)) == (DropToken(), RetryEvent)
