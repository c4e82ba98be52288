"""Poison between good records, through the whole system, while workers are killed: it harms nothing but itself."""

import base64
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from byoc.kafka import read, write
from byoc.kafka.read import Message
from byoc.partner.received import read_lines
from byoc.settings import Settings
from byoc.system.configuration import SALESFORCE_TOPIC
from byoc.system.http import post_json
from byoc.system.system import System, SystemOptions, own_topics, running
from schemas import records
from schemas.codec import DecodeError, decode
from schemas.dead_letters import PREFIX
from tests.support.domain import CHANNEL, END_USER, envelope, party, static_body, text_body

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(300)]

SEED = 5
POISONS = 60
CONVERSATIONS = 6
KILL_EVERY = 15  # published events
PATIENCE_S = 60.0

Json = dict[str, Any]


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


def body_of(entry_type: str, entry_id: str, **fields: object) -> Json:
    return {"entryType": entry_type, "id": entry_id, **fields}


def large(entry_id: str) -> Json:
    title = {"itemType": "TitleItem", "title": "x" * 600_000}
    link = {"itemType": "TitleLinkItem", "titleItem": title, "url": "https://shop.example"}
    return static_body({"formatType": "RichLink", "linkItem": link}, entry_id)


def wrong_types(entry_id: str) -> Json:
    options = [{"itemType": [], "optionIdentifier": {}, "titleItem": 7}, None, "x"]
    choices = {"formatType": "Buttons", "text": "Ready?", "optionItems": options}
    return body_of(
        "Message", entry_id, abstractMessage={"messageType": "ChoicesMessage", "id": entry_id, "choices": choices}
    )


def place_in_the_queue(entry_id: str) -> Json:
    return body_of("QueuePosition", entry_id, workItemId="0MwHs00000XyZ12", position=10**30)


def far_acknowledgement(entry_id: str) -> Json:
    told = {"acknowledgedConversationEntryIdentifier": "in-1", "acknowledgementTimestamp": 10**30}
    return body_of("ReadAcknowledgement", entry_id, **told)


def far_session(entry_id: str) -> Json:
    return body_of("SessionStatusChanged", entry_id, sessionStatus="Active", sessionStartTime=10**30)


@dataclass(frozen=True, slots=True)
class Poison:
    """One kind. `request` makes the body of the simulator's call; without it bytes go to the events topic.

    `letter`: whether it must become a dead letter; others may as well be read for what they say.
    """

    name: str
    request: Callable[[str, str], Json] | None
    letter: bool


def said(make: Callable[[str], Json]) -> Callable[[str, str], Json]:
    return lambda conversation, entry_id: {"payload": interaction(conversation, entry_id, make(entry_id))}


def interaction(conversation: str, entry_id: str, body: Json) -> Json:
    return {
        **envelope(body, entry_id=entry_id, recipient=party("EndUser", f"{END_USER}-{conversation}")),
        "channelAddressIdentifier": CHANNEL,
        "conversationIdentifier": conversation,
    }


def deep(conversation: str, entry_id: str) -> Json:
    head = f'{{"conversationIdentifier":"{conversation}","payload":{{"identifier":"{entry_id}","entryPayload":'
    return {"payload": head + nested(1_500) + "}}"}


def undecodable(_conversation: str, entry_id: str) -> Json:
    return {"payload_base64": base64.b64encode(b"\xff" * 9 + b"\x01" + entry_id.encode() * 20).decode()}


def at_the_end_of_time(conversation: str, entry_id: str) -> Json:
    return {"payload": interaction(conversation, entry_id, text_body("late", entry_id)), "created_at_ms": 2**63 - 1}


def long_id(conversation: str, entry_id: str) -> Json:
    payload = interaction(conversation, entry_id, text_body("x", entry_id))
    payload["payload"]["identifier"] = entry_id + "y" * 200_000
    return {"payload": payload}


KINDS = (
    Poison("large", said(large), letter=False),
    Poison("wrong types", said(wrong_types), letter=False),
    Poison("a place of 10^30", said(place_in_the_queue), letter=False),
    Poison("a time of 10^30", said(far_acknowledgement), letter=False),
    Poison("a session of 10^30", said(far_session), letter=False),
    Poison("the end of time", at_the_end_of_time, letter=False),
    Poison("a long id", long_id, letter=False),
    Poison("deep", deep, letter=True),
    Poison("undecodable", undecodable, letter=True),
    Poison("bytes in Kafka", None, letter=True),
)


@dataclass(slots=True)
class Sent:
    """What was sent: the good entries by conversation, and the poison by its event's uuid."""

    good: dict[str, list[str]] = field(default_factory=dict)
    order: dict[str, list[str]] = field(default_factory=dict)
    letters: set[str] = field(default_factory=set)
    entry_of: dict[str, str] = field(default_factory=dict)
    in_kafka: int = 0


def send(system: System, rng: random.Random) -> Iterator[Sent]:
    """Send everything in a seeded order, a good record after each poison; yields after each event."""
    sent = Sent()
    kinds = [kind for number in range(POISONS) for kind in [KINDS[number % len(KINDS)]]]
    rng.shuffle(kinds)
    url = f"{system.simulator_url}/v1/topics{SALESFORCE_TOPIC}/events"
    for number, kind in enumerate(kinds):
        conversation = f"c{number % CONVERSATIONS}"
        bad, good = f"bad-{number}", f"good-{number}"
        if kind.request is None:
            value = b"\xff" * 1_000_500 + number.to_bytes(2, "big")
            topics = system.options.topics
            write.produce(system.bootstrap_servers, topics.events, [(conversation.encode(), value)])
            sent.in_kafka += 1
        else:
            uuid = f"uuid-{bad}"
            post_json(url, {"event_type": "Interaction", "event_uuid": uuid, **kind.request(conversation, bad)})
            sent.entry_of[uuid] = bad
            if kind.letter:
                sent.letters.add(uuid)
        yield sent
        post_json(url, {"payload": interaction(conversation, good, text_body(f"text of {good}", good))})
        sent.good.setdefault(conversation, []).append(good)
        sent.order.setdefault(conversation, []).extend((bad, good))
        yield sent


def play(system: System) -> Sent:
    """Send, and kill a worker now and then; all of them run at the end."""
    rng = random.Random(SEED)
    sent = Sent()
    for number, sent in enumerate(send(system, rng), 1):  # noqa: B007  the last one is returned
        if number % KILL_EVERY == 0:
            name = rng.choice(system.streams_names())
            system.children[name].kill()
            system.launch_streams(name)
    for name in system.streams_names():
        system.await_streams(name)
    return sent


def delivered(system: System) -> dict[str, list[str]]:
    """The entries that the channel got, by conversation, in their order."""
    found: dict[str, list[str]] = {}
    for line in read_lines(system.partner_log.read_bytes()):
        if line.kind == "message":
            found.setdefault(line.conversation_id, []).append(line.entry_id)
    return found


def wait_until_all_is_there(system: System, sent: Sent) -> None:
    """Wait for the good messages and for the dead letters. Ends at the deadline, and leaves the verdict to the test."""
    ends_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends_s:
        got = delivered(system)
        if all(set(entries) <= set(got.get(name, ())) for name, entries in sent.good.items()):
            letters = Letters(system)
            if sent.letters <= set(letters.events) and len(letters.in_kafka) == sent.in_kafka:
                return
        time.sleep(0.5)


class Letters:
    """The dead letters: those of events by uuid, those of other bytes by partition and offset; each with its reason."""

    def __init__(self, system: System) -> None:
        self.events: Counter[str] = Counter()
        self.in_kafka: Counter[tuple[bytes | None, bytes | None]] = Counter()
        self.without_reason: list[Message] = []
        for message in read.read_committed(system.bootstrap_servers, system.options.topics.dead_letters):
            headers = dict(message.headers)
            if not headers.get(PREFIX + "exception.message") or not headers.get(PREFIX + "stage"):
                self.without_reason.append(message)
            uuid = _uuid_of(message, headers)
            if uuid is not None:
                self.events[uuid] += 1
            else:
                self.in_kafka[headers.get(PREFIX + "partition"), headers.get(PREFIX + "offset")] += 1


def _uuid_of(message: Message, headers: dict[str, bytes | None]) -> str | None:
    named = headers.get("sf.event_uuid")
    if named is not None:
        return named.decode()
    try:
        return decode(records.OutboundEvent, message.value or b"").event_uuid
    except DecodeError:
        return None


def test_poison_between_good_records_costs_itself_only(session_kafka: str, tmp_path: Path) -> None:
    """Every good message arrives, in its order, once; every poison is told in a dead letter, or read for what it says.

    No poison is both delivered and a dead letter. Four workers run; every fifteenth event kills one of them.
    """
    settings = Settings(KAFKA_BOOTSTRAP_SERVERS=session_kafka, BYOC_HOME=tmp_path)
    options = SystemOptions(topics=own_topics(settings, "poison"), folder=tmp_path / "run", streams_workers=4)
    with running(options, settings) as system:
        for line in system.start():
            print(line)  # noqa: T201  for a failure's report
        sent = play(system)
        wait_until_all_is_there(system, sent)
        got, letters = delivered(system), Letters(system)
        ended = {child.name: child.last_words() for child in system.ended()}

    # a worker that lost its partitions to another may end; none may end because of what it read
    assert {name: words for name, words in ended.items() if name == "connect" or "half applied" in words} == {}
    for conversation, good in sent.good.items():
        entries = got.get(conversation, [])
        assert [entry for entry in entries if entry.startswith("good-")] == good
        order = sent.order[conversation]
        assert entries == sorted(entries, key=order.index), "a message overtook another"
        assert len(entries) == len(set(entries)), "a message came twice"
    assert letters.without_reason == []
    assert {uuid: count for uuid, count in letters.events.items() if count > 1} == {}
    assert {place: count for place, count in letters.in_kafka.items() if count > 1} == {}
    assert len(letters.in_kafka) == sent.in_kafka
    assert sent.letters - set(letters.events) == set()
    assert not any(uuid.startswith("uuid-good") for uuid in letters.events)
    everything = {entry for entries in got.values() for entry in entries}
    assert {uuid for uuid in letters.events if sent.entry_of.get(uuid) in everything} == set()
