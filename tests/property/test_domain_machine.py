"""A conversation as a living thing: Salesforce publishes, the router answers, sinks report, the processor reads.

Each topic is a log with one position. Any topic may lag behind, records come twice, answers get lost, the clock jumps.
"""

from collections import Counter
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from schemas.records import Delivery, RoutingTask, SalesforceCall
from streams.core.apply import InputRecord
from streams.core.model.rules import Rules
from streams.core.model.state import RoutingRequest
from streams.core.model.step import ROUTING
from tests.support.domain import (
    SECOND,
    T0,
    Partition,
    answered,
    command,
    decision,
    entry,
    message,
    receipt,
    requested,
    result,
    session,
)
from tests.support.histories import HORIZON_MS, entries_for_people, requests, results, state_entries

RULES = Rules(work_calls=True, acknowledged_channels=frozenset({"*"}), remove_rerouted=True, partner_commands=True)
EVENTS, DECISIONS, RECEIPTS, COMMANDS, RESULTS = "events", "decisions", "receipts", "commands", "results"
TOPICS = (EVENTS, DECISIONS, RECEIPTS, COMMANDS, RESULTS)
WORDS = ("end_session", "inactivate_session", "remove_participant", "start_a_fire")
BOOL = st.booleans()
NEVER = "FORBIDDEN"  # the text of every entry that must not reach the end user


class ConversationMachine(RuleBasedStateMachine):
    """The processor's partition, the five topics it reads, and those who write them."""

    def __init__(self) -> None:
        super().__init__()
        self.partition = Partition(RULES)
        self.logs: dict[str, list[InputRecord]] = {topic: [] for topic in TOPICS}
        self.positions = dict.fromkeys(TOPICS, 0)
        self.now = 0
        self.published = 0
        self.unanswered: list[RoutingTask] = []
        self.unmade: list[SalesforceCall] = []
        self.unreported: list[Delivery] = []

    def take(self, outputs: list[Any]) -> None:
        """Hand what left to those who wait for it; no call leaves at or after its deadline."""
        for output in outputs:
            match output:
                case RoutingTask():
                    assert T0 + self.now < output.answer_by_ms
                    self.unanswered.append(output)
                case SalesforceCall():
                    assert output.deadline_ms is not None
                    assert T0 + self.now < output.deadline_ms
                    self.unmade.append(output)
                case Delivery():
                    self.unreported.append(output)

    # -- Salesforce
    @initialize(first=requests())
    def begin(self, first: Any) -> None:
        self.logs[EVENTS].append(first)

    @rule(
        events=st.lists(
            st.one_of(requests(), results(), state_entries(), entries_for_people(), entries_for_people()), max_size=3
        ),
        at_once=st.booleans(),
    )
    def publish(self, events: list[Any], at_once: bool) -> None:
        self.logs[EVENTS] += events
        if at_once:
            self._read_all(EVENTS)

    @rule(kind=st.sampled_from(["message", "request", "request", "cancel", "success", "decline", "decline", "end"]))
    def publish_now(self, kind: str) -> None:
        """Something that happens at this moment and is read at once."""
        self.published += 1
        name, at = f"live-{self.published}", self.now
        match kind:
            case "message":
                event = message(name, entry_id=name, at=at)
            case "request":
                event = requested(name, at=at, uuid=f"uuid-{name}")
            case "cancel" | "success":
                event = result("Cancelled" if kind == "cancel" else "None", at=at)
            case "decline":
                event = entry("RoutingWorkResult", {"workType": "Declined", "workId": f"0Bz{name}"}, at=at)
            case _:
                event = session("Ended", at=at)
        self.logs[EVENTS].append(event)
        self._read_all(EVENTS)

    @precondition(lambda self: self.logs[EVENTS])
    @rule(data=st.data())
    def publish_again(self, data: st.DataObject) -> None:
        event = data.draw(st.sampled_from(self.logs[EVENTS]))
        self.logs[EVENTS].append(replace(event, replay_id=b"\x09"))

    # -- those who answer
    @precondition(lambda self: self.unanswered)
    @rule(kind=st.sampled_from(["accept", "accept", "refuse"]), late=st.sampled_from([0, 0, 60 * SECOND]), at_once=BOOL)
    def decide(self, kind: str, late: int, at_once: bool) -> None:
        task = self.unanswered.pop()
        at = max(self.now, task.created_at_ms - T0) + late
        self.logs[DECISIONS].append(decision(kind, at=at, request_id=task.request_id, user_id="005Hs00000FgHiJ"))
        if at_once:
            self._read_all(DECISIONS)

    @precondition(lambda self: self.unmade)
    @rule(outcome=st.sampled_from(["accepted", "accepted", "rejected", "failed"]), twice=BOOL, at_once=BOOL)
    def make_the_calls(self, outcome: str, twice: bool, at_once: bool) -> None:
        calls, self.unmade = self.unmade, []
        code = {"rejected": 10071, "failed": 10055}.get(outcome)
        for call in calls:
            self.logs[RESULTS].append(answered(call, outcome, at=self.now, code=code, agentWorkId="0Bz1"))
            if twice:
                self.logs[RESULTS].append(answered(call, "accepted", at=self.now + 1, agentWorkId="0Bz1"))
        if at_once:
            self._read_all(RESULTS)

    @precondition(lambda self: self.unreported)
    @rule(statuses=st.lists(st.sampled_from(["delivered", "read", "failed"]), min_size=1, max_size=3), at_once=BOOL)
    def report(self, statuses: list[str], at_once: bool) -> None:
        deliveries, self.unreported = self.unreported, []
        for delivery in deliveries:
            for status in statuses:
                found = receipt(status, entry_id=delivery.entry_id, delivery_id=delivery.delivery_id, at=self.now)
                self.logs[RECEIPTS].append(found)
        if at_once:
            self._read_all(RECEIPTS)

    @rule(
        word=st.sampled_from(WORDS), number=st.integers(1, 5), late=st.sampled_from([0, 0, -60 * SECOND]), at_once=BOOL
    )
    def demand(self, word: str, number: int, late: int, at_once: bool) -> None:
        found = command(word, at=max(0, self.now + late), command_id=f"c{number}", user_id="005Hs00000FgHiJ")
        self.logs[COMMANDS].append(found)
        if at_once:
            self._read_all(COMMANDS)

    # -- the processor
    @rule(topic=st.sampled_from(TOPICS), count=st.integers(1, 4))
    def read(self, topic: str, count: int) -> None:
        for _ in range(count):
            self._read_one(topic)

    def _read_all(self, topic: str) -> None:
        while self.positions[topic] < len(self.logs[topic]):
            self._read_one(topic)

    def _read_one(self, topic: str) -> None:
        position = self.positions[topic]
        if position < len(self.logs[topic]):
            self.positions[topic] = position + 1
            self.take(self.partition.read(self.logs[topic][position], at=self.now).outputs)

    @rule(move=st.sampled_from([1, 10 * SECOND, 50 * SECOND, 60 * SECOND]), timers=st.booleans())
    def pass_time(self, move: int, timers: bool) -> None:
        self.now += move
        if timers:
            self.take(self.partition.expire_at(self.now))

    # -- what always holds
    @invariant()
    def nothing_that_must_not_leave_has_left(self) -> None:
        assert NEVER not in repr(self.partition.deliveries)

    @invariant()
    def nothing_is_delivered_twice(self) -> None:
        messages = [each.delivery_id for each in self.partition.deliveries if each.kind == "message"]
        assert len(messages) == len(set(messages))

    @invariant()
    def the_router_is_asked_once_for_each_attempt(self) -> None:
        tasks = [(each.request_id, each.attempt) for each in self.partition.tasks]
        assert len(tasks) == len(set(tasks))

    @invariant()
    def no_call_is_made_twice(self) -> None:
        calls = Counter(each.call_id for each in self.partition.calls)
        assert not [each for each, count in calls.items() if count > 1]

    def teardown(self) -> None:
        """Read everything to its end, let all deadlines pass, and fold the logs again in another order."""
        for topic in TOPICS:
            self._read_all(topic)
        self.partition.pass_time(HORIZON_MS + self.now)
        self._each_request_has_one_final_outcome()
        other = Partition(RULES)
        for topic in reversed(TOPICS):
            for record in self.logs[topic]:
                other.read(record, at=0)
        other.pass_time(HORIZON_MS + self.now)
        assert other.state.facts() == self.partition.state.facts()

    def _each_request_has_one_final_outcome(self) -> None:
        for request in self.partition.state.tables[ROUTING].values():
            if not isinstance(request, RoutingRequest) or request.facts is None:
                continue
            told = [each for each in self.partition.outcomes if each.request_id == request.request_id]
            assert [each.revision for each in told] == list(range(len(told)))
            assert told[-1].outcome == request.outcome
            assert all(one.outcome != another.outcome for one, another in pairwise(told))


TestConversation = ConversationMachine.TestCase
TestConversation.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
