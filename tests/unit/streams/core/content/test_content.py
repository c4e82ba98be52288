"""Each format of a Message: its plain text, and its content whole."""

import json
from typing import Any

import pytest

from streams.core.content.formats import FORMATS
from streams.core.content.read import content_of
from tests.support.content import lost
from tests.support.domain import Partition, envelope, event, static_body

IMAGE = {"id": "i1", "assetType": "ImageAsset", "mimeType": "image/png", "assetUrl": "https://cdn.example/i.png"}


def title(text: str, sub: str | None = None) -> dict[str, Any]:
    return {"itemType": "TitleItem", "title": text, "subTitle": sub}


def option(text: str, identifier: str = "o1") -> dict[str, Any]:
    return {"itemType": "TitleOptionItem", "optionIdentifier": identifier, "titleItem": title(text)}


def link(text: str, url: str) -> dict[str, Any]:
    return {"itemType": "TitleLinkItem", "titleItem": title(text), "url": url}


def choices(content: dict[str, Any]) -> dict[str, Any]:
    return {
        "entryType": "Message",
        "abstractMessage": {"messageType": "ChoicesMessage", "id": "e1", "choices": content},
    }


def form(content: dict[str, Any]) -> dict[str, Any]:
    return {"entryType": "Message", "abstractMessage": {"messageType": "FormMessage", "id": "e1", "form": content}}


TWO_FILES = [
    {"id": "a1", "name": "q.pdf", "mimeType": "application/pdf", "url": "https://files.example/1"},
    {"id": "a2", "name": "p.png", "mimeType": "image/png", "url": "https://files.example/2"},
]
CAROUSEL_ITEMS = [
    {"titleItem": title("Gold", "all in"), "interactionItems": [option("Buy"), link("More", "https://p.example")]},
    {"titleItem": title("Silver"), "interactionItems": [option("Buy"), option("Try", "o2")]},
]
SLOTS = [
    {"itemType": "TimeSlotOptionItem", "startTime": "2026-05-04T09:00:00Z", "duration": 1800, "optionIdentifier": "s1"},
    {"itemType": "TimeSlotOptionItem", "startTime": "2026-05-04T10:00:00Z", "optionIdentifier": "s2"},
]
SECTIONS = [
    {"sectionType": "SingleInputSection", "input": {"inputType": "TextInput", "id": "n", "label": title("Your name?")}},
    {
        "sectionType": "SingleInputSection",
        "input": {"inputType": "SelectInput", "id": "c", "label": title("Colour?"), "optionItems": [option("Red")]},
    },
]

CASES = [
    pytest.param(static_body({"formatType": "Text", "text": " Hi\nthere "}), " Hi\nthere ", id="Text stays as it is"),
    pytest.param(
        static_body({"formatType": "Attachments", "text": "see files", "attachments": TWO_FILES}),
        "see files\nq.pdf: https://files.example/1\np.png: https://files.example/2",
        id="Attachments: all of them",
    ),
    pytest.param(
        static_body({"formatType": "RichLink", "linkItem": link("Shop", "https://shop.example"), "image": IMAGE}),
        "Shop: https://shop.example",
        id="RichLink",
    ),
    pytest.param(
        static_body({"formatType": "Links", "links": [{"url": "https://a.example"}]}), "https://a.example", id="Links"
    ),
    pytest.param(
        static_body({"formatType": "Media", "mediaAsset": IMAGE, "linkItems": [link("Buy", "https://b.example")]}),
        "https://cdn.example/i.png\nBuy: https://b.example",
        id="Media",
    ),
    pytest.param(
        static_body({"formatType": "WebView", "url": "https://survey.example", "title": title("Survey")}),
        "Survey: https://survey.example",
        id="WebView",
    ),
    pytest.param(
        static_body({"formatType": "Application", "application": {"name": "Wallet", "identifier": "w1"}}),
        "Wallet",
        id="Application",
    ),
    pytest.param(
        static_body({"formatType": "ExperienceType", "message": "Pick a plan", "values": [{"value": {"plan": 1}}]}),
        "Pick a plan",
        id="ExperienceType",
    ),
    pytest.param(static_body({"formatType": "ExperienceType", "values": [{}]}), None, id="nothing to say in words"),
    pytest.param(
        choices({"formatType": "Buttons", "text": "Ready?", "optionItems": [option("Yes"), option("No", "o2")]}),
        "Ready?\n1. Yes\n2. No",
        id="Buttons",
    ),
    pytest.param(
        choices({"formatType": "QuickReplies", "text": "Ready?", "optionItems": [option("Yes")]}),
        "Ready?\n1. Yes",
        id="QuickReplies",
    ),
    pytest.param(
        choices({"formatType": "ListPicker", "title": "Store", "optionItems": [option("North"), option("South")]}),
        "Store\n1. North\n2. South",
        id="ListPicker",
    ),
    pytest.param(
        choices({"formatType": "Carousel", "title": "Plans", "items": CAROUSEL_ITEMS, "images": [IMAGE]}),
        "Plans\nGold - all in\n1. Buy\nMore: https://p.example\nSilver\n2. Buy\n3. Try",
        id="Carousel numbers run on",
    ),
    pytest.param(
        choices({"formatType": "TimePicker", "calendarEvent": {"title": "Visit", "timeSlotOptionItems": SLOTS}}),
        "Visit\n1. 2026-05-04T09:00:00Z (30 min)\n2. 2026-05-04T10:00:00Z",
        id="TimePicker",
    ),
    pytest.param(
        choices({"formatType": "MessageDefinition", "options": [{"optionIdentifier": "o", "value": {"value": "A"}}]}),
        "1. A",
        id="MessageDefinition",
    ),
    pytest.param(form({"formatType": "MessageDefinition", "messageDefinitionNameOrId": "F1"}), None, id="form by name"),
    pytest.param(
        form({"formatType": "Inputs", "formTitle": title("About you"), "sections": SECTIONS}),
        "About you\nYour name?\nColour?\n1. Red",
        id="Inputs",
    ),
    pytest.param(
        static_body({"formatType": "Buttons", "text": "Ready?", "optionItems": [option("Yes")]}),
        "Ready?\n1. Yes",
        id="a format under an unusual parent",
    ),
    pytest.param(
        static_body({"formatType": "Attachments", "text": None, "attachments": [None, {"name": 5, "url": None}, "x"]}),
        "5",
        id="ill-shaped parts are passed over",
    ),
]


@pytest.mark.parametrize(("body", "text"), CASES)
def test_each_format_is_delivered_as_text_and_whole(body: dict[str, Any], text: str | None) -> None:
    partition = Partition()
    partition.read(event(envelope(body)))
    (delivery,) = partition.deliveries
    assert delivery.text == text
    if delivery.format_type == "Text":
        assert delivery.content is None
    else:
        assert lost(body["abstractMessage"], json.loads(delivery.content or "")) == []
    assert (("no_fallback_text", delivery.format_type) in partition.counts) is (text is None)


def test_the_cases_cover_every_format() -> None:
    covered = {content.format_type for case in CASES if (content := content_of(case.values[0])) is not None}  # type: ignore[arg-type]
    assert covered == set(FORMATS)
