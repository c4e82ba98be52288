"""Plays a scenario against an org: several conversations at a time, in small slices that keep the rate."""

import asyncio
import heapq
from dataclasses import dataclass, field

from simulator.events import entries
from simulator.events.entries import Json
from simulator.events.seeded import seeded
from simulator.org.org import Org
from simulator.scenario.options import ScenarioOptions
from simulator.scenario.pacing import SLICE_S, Pacer
from simulator.scenario.render import Moment, Rendered, render, render_state
from simulator.scenario.script import RoutingPlan, Script, Step, StepKind, write_script
from simulator.service.routing_desk import Conclusion, Planned, RoutingRequest
from simulator.service.service_desk import AgentWork

# A second request, and the end of the session, come after the request before them has ended.
_DECLINE_AFTER_MS = 50
_AFTER_ROUTING = (StepKind.ROUTING_REQUESTED, StepKind.REP_LEFT)


@dataclass(frozen=True, slots=True)
class _Event:
    """A rendered event, ready to publish."""

    rendered: Rendered
    payload: str
    event_uuid: str
    created_at_ms: int


@dataclass(slots=True)
class _Repeat:
    """A published event that comes again after `wait` more steps."""

    wait: int
    event: _Event


@dataclass(slots=True)
class _Conversation:
    """One conversation in play."""

    script: Script
    rep_user_id: str
    started_at_ms: int
    at: int = 0
    routing: RoutingPlan | None = None  # asked for, and not yet followed by who joined and left
    request_id: str = ""
    is_outside: bool = False  # a contact outside has it: with no one to join, an early result could belong to it
    repeats: list[_Repeat] = field(default_factory=list)

    @property
    def step(self) -> Step | None:
        return self.script.steps[self.at] if self.at < len(self.script.steps) else None


class Player:
    """One play. `run` returns when all conversations have ended and every routing request is concluded."""

    def __init__(self, org: Org, options: ScenarioOptions, *, play_number: int) -> None:
        """`play_number` keeps the ids of several plays of one process apart. Raises `UnknownTopicError`."""
        self._org = org
        self._options = options
        self._topic = options.topic or org.settings.topics[0]
        org.schema(self._topic)
        seed = org.settings.seed if options.seed is None else options.seed
        self._seed = seed * 1_000_003 + play_number
        self._rng = seeded(self._seed, "order of the play")
        self._active: list[_Conversation] = []
        self._waiting: dict[str, _Conversation] = {}  # by the request that must be concluded first
        self._cancels: list[tuple[int, str]] = []  # a heap of (epoch ms, request id)
        self._declines: list[tuple[int, str]] = []  # a heap of (epoch ms, work id)
        self._asking: dict[str, _Conversation] = {}  # by the request that is to be declined
        self._scripts = 0
        self._scripted_events = 0
        self.published = 0

    @property
    def planned(self) -> int:
        """Return about how many events the play has, without the results of routing."""
        return self._options.events

    async def run(self) -> None:
        """Play until the end. Cancelling it leaves the org as it is at that moment."""
        clock = self._org.clock
        pacer = Pacer(self._options.rate, clock.monotonic_s())
        self._org.concluded.append(self._on_concluded)
        self._org.offered.append(self._on_offered)
        try:
            while True:
                self._withdraw_due(clock.now_ms())
                self._decline_due(clock.now_ms())
                published = self._play(pacer.due(clock.monotonic_s()))
                pacer.count(published)
                if not self._open_more() and not self._waiting and not self._cancels:
                    return
                # Only waiting for the end of routing requests: there is nothing to be fast for.
                await asyncio.sleep(pacer.pause_s if self._active else SLICE_S)
        finally:
            self._org.concluded.remove(self._on_concluded)
            self._org.offered.remove(self._on_offered)

    def _play(self, count: int) -> int:
        before = self.published
        while self.published - before < count and self._open_more():
            index = self._rng.randrange(len(self._active))
            if not self._play_step(self._active[index]):
                self._active[index] = self._active[-1]
                self._active.pop()
        return self.published - before

    def _open_more(self) -> bool:
        """Keep the wanted number of conversations open; False when there is none left to play."""
        while len(self._active) < self._options.conversations and self._scripted_events < self._options.events:
            self._scripts += 1
            script = write_script(self._options, seed=self._seed, number=self._scripts)
            self._scripted_events += script.events
            self._active.append(_Conversation(script, script.rep_user_id, self._org.clock.now_ms()))
        return bool(self._active)

    def _play_step(self, conversation: _Conversation) -> bool:
        """Play one step or one due repeat; False when the conversation has ended or waits."""
        step = conversation.step
        if self._publish_repeat(conversation, at_once=step is None):
            return True
        if step is None:
            return False
        if conversation.routing is not None:
            request = self._org.desk.get(conversation.request_id)
            if request is not None and self._has_ended(request):
                self._hand_over(conversation, conversation.routing, request)
            elif step.kind in _AFTER_ROUTING:
                self._waiting[conversation.request_id] = conversation
                return False
        conversation.at += 1
        moment = self._moment(conversation)
        rendered = render(conversation.script, step, moment)
        event = _Event(rendered, entries.as_json(rendered.payload), step.event_uuid, moment.at_ms)
        if step.routing is not None:
            self._request_routing(conversation, step.routing, event)
        else:
            self._publish(event)
        if step.repeat_after is not None:
            conversation.repeats.append(_Repeat(step.repeat_after, event))
        return True

    def _publish_repeat(self, conversation: _Conversation, *, at_once: bool) -> bool:
        for repeat in conversation.repeats:
            if repeat.wait <= 0 or at_once:
                conversation.repeats.remove(repeat)
                self._publish(repeat.event)
                return True
            repeat.wait -= 1
        return False

    def _request_routing(self, conversation: _Conversation, plan: RoutingPlan, event: _Event) -> None:
        conversation.request_id = plan.request_id or event.event_uuid
        conversation.routing = plan
        if plan.planned is Planned.DECLINE:
            self._asking[conversation.request_id] = conversation
        if plan.planned is Planned.RESULT_FIRST and not conversation.is_outside:
            self._org.withdraw_unseen(
                self._topic, event.rendered.facts, event_uuid=event.event_uuid, created_at_ms=event.created_at_ms
            )
        self._publish(event, plan.planned)
        if plan.planned is Planned.CANCEL:
            due_ms = event.created_at_ms + int(plan.cancel_after * self._org.settings.routing_timeout_ms)
            heapq.heappush(self._cancels, (due_ms, conversation.request_id))

    def _hand_over(self, conversation: _Conversation, plan: RoutingPlan, request: RoutingRequest) -> None:
        """After a success the target joins, and after a transfer the rep leaves. Outside contacts never join."""
        conversation.routing = None
        if request.concluded is not Conclusion.ROUTED:
            return
        if plan.target_kind == "external":
            conversation.is_outside = True
            return
        was_declined = len(self._org.service.works_for(request.request_id)) > 1
        taken = self._org.service.seat(request.request_id)
        joining_user_id = taken.user_id if taken is not None and was_declined else plan.joining_user_id
        changes = [("add", joining_user_id, "New rep", plan.joining_entry_id)]
        if plan.routing_type == "Transfer":
            changes.append(("remove", conversation.rep_user_id, conversation.script.rep_name, plan.leaving_entry_id))
            conversation.rep_user_id = joining_user_id
        for operation, user_id, name, entry_id in changes:
            entry = entries.participant_changed(entry_id, operation, entries.agent(user_id), name)
            self._publish_state(conversation, entry, sender=entries.agent(user_id), name=name)

    def _publish_state(self, conversation: _Conversation, entry: Json, *, sender: Json, name: str) -> None:
        moment = self._moment(conversation)
        rendered = render_state(conversation.script, moment, entry, sender=sender, name=name)
        self._publish(_Event(rendered, entries.as_json(rendered.payload), self._org.new_id(), moment.at_ms))

    def _withdraw_due(self, now_ms: int) -> None:
        while self._cancels and self._cancels[0][0] <= now_ms:
            _, request_id = heapq.heappop(self._cancels)
            self._org.cancel_routing(request_id)

    def _on_concluded(self, request: RoutingRequest) -> None:
        if self._has_ended(request):
            self._wake(request.request_id)

    def _on_offered(self, work: AgentWork) -> None:
        """The first offer of a request that is to be declined is declined soon; the next one is taken."""
        conversation = self._asking.get(work.request_id or "")
        if conversation is None or conversation.routing is None:
            return
        if len(self._org.service.works_for(work.request_id or "")) == 1:
            heapq.heappush(self._declines, (self._org.clock.now_ms() + _DECLINE_AFTER_MS, work.work_id))

    def _decline_due(self, now_ms: int) -> None:
        """Let reps decline, and go on with requests that were offered again, or for which nobody else was found."""
        while self._declines and self._declines[0][0] <= now_ms:
            work = self._org.service.decline(heapq.heappop(self._declines)[1])
            conversation = self._asking.get(work.request_id or "") if work is not None else None
            if work is None or conversation is None or conversation.routing is None:
                continue
            plan = conversation.routing
            entry = entries.work_result(
                plan.declining_entry_id,
                work_id=work.work_id,
                work_item_id=work.work_item_id,
                work_type="Declined",
                routing_type=plan.routing_type,
            )
            sender = entries.participant("conversation", "automated", "System")
            self._publish_state(conversation, entry, sender=sender, name="System")
        for request_id in [each for each in self._waiting if each in self._asking]:
            request = self._org.desk.get(request_id)
            if request is not None and self._has_ended(request):
                self._wake(request_id)

    def _wake(self, request_id: str) -> None:
        if request_id in self._waiting:
            self._active.append(self._waiting.pop(request_id))

    def _has_ended(self, request: RoutingRequest) -> bool:
        """Return True when nothing more happens to a request, except that someone joins.

        One that the rep will withdraw goes on after the partner accepted it. One whose target declines goes on until
        the work is offered again, or its time is over.
        """
        if request.concluded is not Conclusion.ROUTED:
            return request.concluded is not None
        if request.planned is Planned.CANCEL:
            return False
        offers = len(self._org.service.works_for(request.request_id))
        is_declined = request.planned is Planned.DECLINE and offers == 1
        return not is_declined or self._org.clock.now_ms() >= request.deadline_ms

    def _moment(self, conversation: _Conversation) -> Moment:
        seq = self._org.ledger.next_seq(conversation.script.conversation_id)
        return Moment(seq, self._org.clock.now_ms(), conversation.rep_user_id, conversation.started_at_ms)

    def _publish(self, event: _Event, planned: Planned = Planned.ANSWER) -> None:
        self._org.publish(
            self._topic,
            event.rendered.event_type,
            event.payload,
            event_uuid=event.event_uuid,
            created_at_ms=event.created_at_ms,
            planned=planned,
            facts=event.rendered.facts,
        )
        self.published += 1
