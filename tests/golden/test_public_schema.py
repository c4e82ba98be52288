"""Every entry type, message type and format of the public schema, generated from its file and explained."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from byoc.explain.reading import read_event
from streams.core.explain import explain
from streams.core.model.entry_types import ENTRY_TYPES, DeliveryClass
from streams.core.model.rules import Rules
from tests.support.content import lost
from tests.support.domain import END_USER, T0, party
from tests.support.public_schema import Mode, PublicSchema, SchemaFile, Shape, interactions, routing_requests

DELIVERED_MESSAGES = {"StaticContentMessage", "ChoicesMessage", "FormMessage"}
CONTAINERS = {"StaticContentMessage": "staticContent", "ChoicesMessage": "choices", "FormMessage": "form"}
# What a person reads of a message. `reply` is shown after the answer, `images` and `references` carry no words.
VISIBLE = {
    "text",
    "name",
    "title",
    "subTitle",
    "secondarySubTitle",
    "tertiarySubTitle",
    "imageSubTitle",
    "url",
    "hintText",
}
UNSEEN = {"reply", "images", "references", "citationContent", "image", "video", "parameters", "arguments", "values"}
# A component of the org, named only: its words are not in the event. Experience types have them in `values`.
WITHOUT_WORDS = {"MessageDefinition"}


@pytest.fixture(scope="module")
def schema() -> PublicSchema:
    path = SchemaFile().public_schema
    if not path.is_file():
        pytest.skip(f"the public schema file is not at {path}; set BYOC_PUBLIC_SCHEMA to its path")
    return PublicSchema(path)


def explained(shape: Shape) -> dict[str, Any]:
    fields = {"CreatedDate": T0, "CreatedById": "005", "T__c": shape.event_type, "P__c": json.dumps(shape.payload)}
    return explain(read_event(json.dumps(fields), T0), Rules())


def to_the_customer(shape: Shape) -> Shape:
    """The same, from a rep to the end user: roles rotate in what is generated."""
    shape.payload["recipient"] = party("EndUser", END_USER)
    entry = shape.payload["payload"]
    entry["sender"] = party("Agent", "005Hs00000AbCdE", "agent")
    if entry.get("recipients"):
        entry["recipients"]["primary"][0]["identifier"] = END_USER
    return shape


def expected(shape: Shape) -> tuple[str, bool]:
    """Class, and whether a rep's entry of the kind reaches the end user."""
    if shape.entry_type == "Message":
        leaves = shape.message_type in DELIVERED_MESSAGES
        return ("DELIVER" if leaves else "STATE"), leaves
    delivery_class = ENTRY_TYPES[shape.entry_type].delivery_class
    return delivery_class.value, delivery_class is DeliveryClass.EPHEMERAL


def words(value: object) -> Iterator[str]:
    """The texts of a message's content that a person would see."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in VISIBLE and isinstance(inner, str):
                yield inner
            elif name not in UNSEEN:
                yield from words(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from words(inner)


def assert_nothing_is_lost(shape: Shape, delivery: dict[str, Any]) -> None:
    message = shape.payload["payload"]["entryPayload"]["abstractMessage"]
    content = message[CONTAINERS[shape.message_type or ""]]
    if delivery["content"] is None:
        said = {name: value for name, value in content.items() if value is not None}
        assert said == {"formatType": "Text", "text": delivery["text"]}
        return
    assert lost(message, delivery["content"]) == []
    missing = [word for word in words(content) if word not in (delivery["text"] or "")]
    assert shape.format_type in WITHOUT_WORDS or not missing, (shape.kind, missing, delivery["text"])


def test_every_shape_is_parsed_classified_and_delivered_whole_or_withheld(
    schema: PublicSchema, capsys: pytest.CaptureFixture[str]
) -> None:
    counts: Counter[str] = Counter()
    for shape in interactions(schema):
        answer = explained(to_the_customer(shape))
        kind, leaves = expected(shape)
        assert (answer["class"], answer["delivered"]) == (kind, leaves), (shape, answer["reason"])
        assert answer["entry_type"] == shape.entry_type
        assert (answer["reason"] is None) is leaves
        if shape.entry_type == "Message":
            assert (answer["message_type"], answer["format_type"]) == (
                shape.message_type,
                shape.format_type if leaves else None,
            )
            if leaves:
                assert_nothing_is_lost(shape, answer["delivery"])
        counts[shape.kind] += 1
    with capsys.disabled():
        sys.stdout.write("\n" + "".join(f"{kind:60} {count}\n" for kind, count in sorted(counts.items())))
    assert {kind.split("/")[0] for kind in counts} == set(schema.enum("EntryType"))
    assert len(counts) >= 80


def test_roles_that_may_not_speak_to_the_customer_never_do(schema: PublicSchema) -> None:
    for shape in interactions(schema):
        answer = explained(shape)
        entry = shape.payload["payload"]
        speaks = entry["sender"]["role"] in {"Agent", "Chatbot", "System"}
        if not (speaks and shape.payload["recipient"]["role"] == "EndUser"):
            assert not answer["delivered"], shape


def test_every_routing_request_names_its_target(schema: PublicSchema) -> None:
    kinds = set()
    for shape in routing_requests(schema):
        answer = explained(shape)
        assert (answer["class"], answer["reason"]) == ("STATE", "routing")
        if shape.mode is Mode.FULL:
            assert answer["routing"]["record"] == "RoutingTask"
            assert answer["routing"]["routing_type"] == shape.payload["payload"]["routingType"]
        kinds.add(answer["routing_type"])
    assert kinds >= set(schema.enum("RoutingType"))
