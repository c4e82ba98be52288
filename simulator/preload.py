"""Fills a topic with realistic events in seconds, before serving, so that a benchmark measures the reader.

500,000 events of 1 KB would be half a gigabyte and a minute of rendering. Here a few thousand events are rendered by
the scenario, cut at the ids, and published again and again with fresh ids: the text between the ids is shared. They
are in the log only, not in the ledger, and start no routing timer.
"""

from simulator.events import entries, protobuf_bytes
from simulator.events.event_schema import EventSchema, PlatformEvent
from simulator.events.protobuf_bytes import EventParts
from simulator.events.seeded import new_uuid, seeded
from simulator.org import replay_ids
from simulator.org.org import Org
from simulator.scenario.options import ActivityKind, ScenarioOptions
from simulator.scenario.render import Moment, render
from simulator.scenario.script import Script, Step, StepKind, write_script

TEMPLATES = 2_000
CONVERSATIONS = 1_000
_RENDERED_CONVERSATIONS = 200
_UUID_CHARS = 36


class _Template:
    """One event in bytes, cut where its event id, entry id and conversation id stand."""

    def __init__(self, frame: bytes, ids: tuple[bytes, bytes, bytes]) -> None:
        body = frame[: -replay_ids.LENGTH]
        self.size = len(frame)
        self._parts: list[bytes] = []
        self._slots: list[tuple[int, int]] = []  # (place in parts, which id)
        marks = sorted((at, which) for which, value in enumerate(ids) for at in _places(body, value))
        begin = 0
        for at, which in marks:
            self._parts += [body[begin:at], b""]
            self._slots.append((len(self._parts) - 1, which))
            begin = at + _UUID_CHARS
        self._parts.append(body[begin:])

    def filled(self, ids: tuple[bytes, bytes, bytes]) -> EventParts:
        """Return the parts of the event with other ids; the parts between the ids are shared."""
        parts = self._parts.copy()
        for place, which in self._slots:
            parts[place] = ids[which]
        return tuple(parts)


def preload(org: Org, count: int, *, topic: str | None = None) -> None:
    """Append `count` events. Takes about 5 us and 400 bytes each. Raises `UnknownTopicError`."""
    topic = topic or org.settings.topics[0]
    now_ms = org.clock.now_ms()
    templates = _templates(org.event_schema(topic), org.settings.seed, now_ms)
    rng = seeded(org.settings.seed, "bench feed")
    conversations = [new_uuid(rng).encode() for _ in range(CONVERSATIONS)]
    feed = f"{rng.getrandbits(28):07x}-0000-4000-8000-"
    for number in range(count):
        tail = f"{feed}{number:012x}"
        ids = (f"a{tail}".encode(), f"b{tail}".encode(), conversations[number * 7 % CONVERSATIONS])
        template = templates[number % len(templates)]
        org.log.append_shared(topic, template.filled(ids), template.size, now_ms)


def _templates(schema: EventSchema, seed: int, at_ms: int) -> list[_Template]:
    # Routing requests are left out: their deadline would be over before a benchmark reads them. So is what silences a
    # conversation: templates share conversations, and soon nothing would be delivered.
    left_out: dict[str, float] = {ActivityKind.ROUTING: 0, ActivityKind.CONSULT: 0, ActivityKind.OPT_OUT: 0}
    options = ScenarioOptions(shares=left_out, duplicate_share=0, steps=12)
    templates: list[_Template] = []
    for number in range(1, _RENDERED_CONVERSATIONS + 1):
        script = write_script(options, seed=seed, number=number)
        inside = [step for step in script.steps if step.kind is not StepKind.SESSION_ENDED]
        templates += [_template(schema, script, step, seq, at_ms) for seq, step in enumerate(inside, 1)]
    return templates[:TEMPLATES]


def _template(schema: EventSchema, script: Script, step: Step, seq: int, at_ms: int) -> _Template:
    rendered = render(script, step, Moment(seq, at_ms, script.rep_user_id, at_ms))
    event = PlatformEvent(
        created_at_ms=at_ms, event_type=rendered.event_type, event_payload=entries.as_json(rendered.payload)
    )
    serialised = protobuf_bytes.producer_event(step.event_uuid, schema.schema_id, schema.encode(event))
    frame = protobuf_bytes.consumer_event(serialised, replay_ids.encode(0))
    return _Template(frame, (step.event_uuid.encode(), step.entry_id.encode(), script.conversation_id.encode()))


def _places(data: bytes, value: bytes) -> list[int]:
    places = []
    at = data.find(value)
    while at >= 0:
        places.append(at)
        at = data.find(value, at + len(value))
    return places
