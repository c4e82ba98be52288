"""Nothing of a consultation is delivered from its announcement on, whatever partitions and workers do.

Salesforce's topic has one order. The source connector gives each event its key; each key is read in the order of the
topic, and different keys in any order: here each key is a partition of its own, and one may be read to its end before
another begins.
"""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.pubsub.converters.byoc import FieldNames, Mapper, Source
from schemas.records import OutboundEvent
from tests.support.domain import CHANNEL, END_USER, ORG, T0, Partition, party, text_body

MAPPER = Mapper(Source(topic="/event/X__e", org_id=ORG, fields=FieldNames(event_type="T__c", payload="P__c")))
CUSTOMERS = ("cv-1", "cv-2")
CONSULTATIONS = ("consult-1", "consult-2")


def published(number: int, conversation: str, body: dict[str, Any], *, as_text: bool, is_flat: bool) -> OutboundEvent:
    """One event as the source connector mirrors it, in any accepted shape."""
    entry = {
        "identifier": f"e{number}",
        "entryType": body["entryType"],
        "sender": party("Agent", "005Hs00000AbCdE", "agent"),
        "entryPayload": json.dumps(body) if as_text else body,
    }
    envelope = {
        "channelAddressIdentifier": CHANNEL,
        "conversationIdentifier": conversation,
        "recipient": party("EndUser", END_USER),
    }
    payload = {**envelope, **entry} if is_flat else {**envelope, "payload": entry}
    decoded = {"CreatedDate": T0 + number, "CreatedById": "005", "T__c": "Interaction", "P__c": json.dumps(payload)}
    return MAPPER.event(f"uuid-{number}", "schema", str(number).encode(), decoded, T0 + number + 20)


@st.composite
def topics(draw: st.DrawFn) -> list[OutboundEvent]:
    """Messages of customers and of consultations; each consultation is announced before anything is said in it."""
    said = draw(st.lists(st.sampled_from([*CUSTOMERS, *CONSULTATIONS]), min_size=1, max_size=12))
    plan: list[tuple[str, str | None]] = [(conversation, None) for conversation in said]
    for name in CONSULTATIONS:
        first = next((n for n, (conversation, _) in enumerate(plan) if conversation == name), len(plan))
        announcer = draw(st.sampled_from(CUSTOMERS))
        for at in draw(st.lists(st.integers(0, first), min_size=1, max_size=2)):  # the first of them counts
            plan.insert(at, (announcer, name))
    log = []
    for number, (conversation, announced) in enumerate(plan):
        body = text_body(f"said in {conversation}", f"e{number}")
        if announced is not None:
            body = {"entryType": "ConsultConversationInfo", "id": f"e{number}", "conversationIdentifier": announced}
        shape = {"as_text": draw(st.booleans()), "is_flat": draw(st.booleans())}
        log.append(published(number, conversation, body, **shape))
    return log


@settings(max_examples=200, deadline=None, derandomize=True)
@given(topics(), st.randoms(use_true_random=False))
def test_nothing_of_a_consultation_is_delivered_whatever_the_interleaving(log: list[OutboundEvent], order: Any) -> None:
    keys = sorted({event.conversation_id for event in log})
    queues = {key: [event for event in log if event.conversation_id == key] for key in keys}
    partitions = {key: Partition() for key in keys}
    while any(queues.values()):
        key = order.choice([each for each in keys if queues[each]])
        partitions[key].read(queues[key].pop(0))
    texts = [delivery.text or "" for partition in partitions.values() for delivery in partition.deliveries]
    assert not [text for text in texts if "consult" in text]
    wanted = [event for event in log if event.conversation_id in CUSTOMERS]
    assert len(texts) == len(wanted)


def test_each_announcement_is_mirrored_once() -> None:
    body = {"entryType": "ConsultConversationInfo", "id": "e1", "conversationIdentifier": "consult-1"}
    event = published(1, "cv-1", body, as_text=False, is_flat=False)
    assert event.conversation_id == "consult-1"
    assert json.loads(event.payload)["conversationIdentifier"] == "cv-1"
