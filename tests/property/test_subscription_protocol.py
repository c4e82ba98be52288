"""The subscription protocol against a model of the server, in any order of events.

The model keeps what Salesforce keeps: the credit of the one open stream, the requests that are still on their way to
it, and what it has sent. Invariants, checked after every step:

* never more than 100 events outstanding, never an empty request;
* with room in memory and a stream open, the server is never left at zero credit with nothing on its way;
* the durable position is that of the last batch of an unbroken durable prefix;
* at most one stream is open, and every stream goes on after the last event received;
* what is received and not durable stays within its bound.
"""

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connectors.pubsub.backoff import Backoff
from connectors.pubsub.errors import Action, Fault
from connectors.pubsub.events import (
    BatchDurable,
    Checkpoint,
    CloseStream,
    Deliver,
    Fail,
    FetchReceived,
    OpenStream,
    ReplayPreset,
    SendFetch,
    Started,
    StreamEnded,
    StreamFailed,
    StreamOpened,
    TimerFired,
)
from connectors.pubsub.protocol import Phase, Policy, Subscription

MAX_S = 30.0


class AnyOrder(RuleBasedStateMachine):
    @initialize(room=st.integers(1, 400), committed=st.sampled_from([None, b"committed"]))
    def start(self, room, committed):
        self.room = room
        self.now_s = 0.0
        self.subscription = Subscription(
            Policy(topic="/event/X__e", max_inflight_events=room, backoff=Backoff(base_s=0.5, max_s=MAX_S))
        )
        self.epoch = None  # the open stream
        self.server_credit = 0
        self.on_their_way = deque()  # requests the server has not seen
        self.counter = 0
        self.received = committed  # position of the newest event or keepalive handed to the machine
        self.batches = deque()  # (sequence, position, events) not durable
        self.durable = committed
        self.ended = False
        self.feed(Started(committed))

    def feed(self, event, jitter=0.5):
        for effect in self.subscription.advance(event, now_s=self.now_s, jitter=jitter):
            match effect:
                case OpenStream(epoch, preset, replay_id, num_requested):
                    assert self.epoch is None, "a second stream"
                    assert replay_id == self.received
                    assert (preset is ReplayPreset.CUSTOM) == (replay_id is not None)
                    self.epoch, self.server_credit = epoch, 0
                    self.on_their_way = deque([num_requested])
                case SendFetch(num_requested):
                    assert self.epoch is not None, "a request without a stream"
                    self.on_their_way.append(num_requested)
                case CloseStream():
                    assert self.epoch is not None
                    self.epoch = None
                case Deliver(sequence, replay_id):
                    self.batches.append((sequence, replay_id, self.arrived))
                case Checkpoint(sequence, replay_id):
                    assert not self.batches, "a keepalive's position before the events in front of it"
                    self.batches.append((sequence, replay_id, 0))
                    self.received = replay_id
                case Fail():
                    self.ended = True

    def next_id(self):
        self.counter += 1
        return self.counter.to_bytes(8, "big")

    @precondition(lambda self: self.on_their_way and self.epoch is not None)
    @rule()
    def request_arrives(self):
        self.server_credit = self.server_credit + self.on_their_way.popleft()

    @precondition(lambda self: self.server_credit > 0 and self.epoch is not None)
    @rule(data=st.data())
    def response(self, data):
        events = data.draw(st.integers(1, self.server_credit))
        self.server_credit -= events
        self.arrived = events
        last = self.next_id()
        self.received = last
        self.feed(FetchReceived(self.epoch, events, 10 * events, last, last, self.server_credit))

    @precondition(lambda self: self.server_credit > 0 and self.epoch is not None)
    @rule()
    def keepalive(self):
        self.feed(FetchReceived(self.epoch, 0, 0, None, self.next_id(), self.server_credit))

    @precondition(lambda self: self.epoch is not None)
    @rule()
    def opened(self):
        self.feed(StreamOpened(self.epoch))

    @precondition(lambda self: self.epoch is not None)
    @rule(how=st.sampled_from(["ended", "outage", "unclear"]), jitter=st.floats(0, 1, exclude_max=True))
    def stream_breaks(self, how, jitter):
        before_s = self.now_s
        action = Action.UNCLEAR if how == "unclear" else Action.RETRY
        fault = Fault(action=action, what=how)
        self.feed(StreamEnded(self.epoch) if how == "ended" else StreamFailed(self.epoch, fault), jitter)
        due_s = self.subscription.next_timer_s
        if not self.ended and due_s is not None:
            assert before_s < due_s <= before_s + MAX_S

    @rule(back=st.integers(1, 3), events=st.integers(1, 100))
    def something_late_from_an_older_stream(self, back, events):
        epoch = self.subscription.epoch - back
        position = self.subscription.position
        before = (position.resume, position.inflight_events)
        self.feed(FetchReceived(epoch, events, 10, b"late", b"late", 50))
        self.feed(StreamEnded(epoch))
        assert (position.resume, position.inflight_events) == before

    @precondition(lambda self: self.batches)
    @rule(data=st.data())
    def commit(self, data):
        count = data.draw(st.integers(1, len(self.batches)))
        for _ in range(count):
            sequence, self.durable, _ = self.batches.popleft()
        self.feed(BatchDurable(sequence))

    @rule(seconds=st.floats(0, 200))
    def time_passes(self, seconds):
        self.now_s += seconds
        self.feed(TimerFired())

    @precondition(lambda self: self.subscription.next_timer_s is not None)
    @rule()
    def timer(self):
        self.now_s = max(self.now_s, self.subscription.next_timer_s)
        self.feed(TimerFired())

    @invariant()
    def credit_stays_within_the_cap(self):
        outstanding = self.server_credit + sum(self.on_their_way) if self.epoch is not None else 0
        assert outstanding <= 100
        assert all(request > 0 for request in self.on_their_way)

    @invariant()
    def the_server_is_never_left_without_credit_while_there_is_room(self):
        inflight = sum(events for _, _, events in self.batches)
        if self.epoch is not None and inflight < self.room:
            assert self.server_credit or self.on_their_way

    @invariant()
    def the_durable_position_is_that_of_the_durable_prefix(self):
        assert self.subscription.position.durable == self.durable

    @invariant()
    def memory_is_bounded(self):
        inflight = sum(events for _, _, events in self.batches)
        assert inflight == self.subscription.position.inflight_events
        outstanding = self.server_credit + sum(self.on_their_way) if self.epoch is not None else 0
        assert inflight + outstanding <= self.room

    @invariant()
    def a_subscription_that_is_not_open_will_be(self):
        if not self.ended and self.epoch is None:
            assert self.subscription.phase is Phase.WAITING
            inflight = sum(events for _, _, events in self.batches)
            assert self.subscription.next_timer_s is not None or inflight >= self.room


AnyOrder.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
test_the_protocol_keeps_its_promises_in_any_order = AnyOrder.TestCase
