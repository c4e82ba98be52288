"""The one shape of a Message's content: the examples of docs/deliveries.md are what each format becomes."""

import json
import re
from typing import Any

import pytest

from streams.core.content.formats import FORMATS
from streams.core.content.read import content_of
from tests.support.content import lost
from tests.support.sources import ROOT

DOCUMENT = (ROOT / "docs" / "deliveries.md").read_text()
EXAMPLES: list[dict[str, Any]] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)]
IMAGE = {"id": "i1", "assetType": "ImageAsset", "mimeType": "image/png", "assetUrl": "https://cdn.example/i.png"}


def title(text: str, **more: object) -> dict[str, Any]:
    return {"itemType": "TitleItem", "title": text, **more}


def pictured(text: str) -> dict[str, Any]:
    return {"itemType": "TitleImageItem", "title": text, "imageId": "i1"}


def option(text: str, identifier: str = "o1", **more: object) -> dict[str, Any]:
    return {
        "itemType": "TitleOptionItem",
        "optionIdentifier": identifier,
        "titleItem": title(text, subTitle=None),
        **more,
    }


def link(text: str, url: str) -> dict[str, Any]:
    return {"itemType": "TitleLinkItem", "titleItem": title(text), "url": url}


def section(kind: str, identifier: str, label: str, **more: object) -> dict[str, Any]:
    return {"inputType": kind, "id": identifier, "label": title(label), **more}


VALUE = {"valueType": "TextValue", "textValue": "de"}
CITATION = {
    "citedReference": {
        "citedReferenceType": "Link",
        "link": {"url": "https://help.example/hours"},
        "label": "Opening hours",
        "recordId": "ka0Hs00000Art12",
    },
    "citedDetails": {
        "citedDetailsType": "InlineMetadata",
        "inlineMetadata": [{"citedLocationOffset": 16, "claim": {"claimStartOffset": 0, "claimEndOffset": 16}}],
    },
}
APPLICATION = {
    "applicationType": "ExternalApplication",
    "name": "Wallet",
    "identifier": "w1",
    "developerId": "TEAM1",
    "message": title("Your card"),
}
LOCATION = {
    "itemType": "LocationItem",
    "title": "Shop",
    "name": "North store",
    "latitude": 52.5,
    "longitude": 13.4,
}
VISIT = {
    "itemType": "CalendarEventOptionsItem",
    "title": "Visit",
    "identifier": "ev1",
    "timezoneOffset": 120,
    "location": LOCATION,
    "timeSlotOptionItems": [
        {
            "itemType": "TimeSlotOptionItem",
            "startTime": "2026-05-04T09:00:00Z",
            "duration": 1800,
            "optionIdentifier": "s1",
        }
    ],
}
CLAIM = {
    "formTitle": title("Claim"),
    "introScreen": {
        "screenType": "FormSplashScreen",
        "title": "Hello",
        "text": "Two questions",
        "buttonLabel": "Start",
    },
    "sections": [
        {
            "sectionType": "SingleInputSection",
            "input": section("TextInput", "in1", "Order no", required=True, maximumCharacterCount=12),
            "nextSectionInputId": "in2",
        },
        {
            "sectionType": "SingleInputSection",
            "input": section("SelectInput", "in2", "Colour", multipleSelection=True, optionItems=[option("Red")]),
            "submitForm": True,
        },
    ],
}

# In the order of the document: messageType, container, formatType, fields of the container, fields of the message.
MESSAGES: list[tuple[str, str, str, dict[str, Any], dict[str, Any]]] = [
    (
        "StaticContentMessage",
        "staticContent",
        "Text",
        {"text": "We open at nine.", "citationContent": {"citations": [CITATION]}},
        {},
    ),
    (
        "StaticContentMessage",
        "staticContent",
        "Attachments",
        {
            "text": "see file",
            "attachments": [
                {
                    "id": "a1",
                    "name": "q.pdf",
                    "mimeType": "application/pdf",
                    "url": "https://files.example/1",
                    "attachmentUploadResult": None,
                }
            ],
        },
        {},
    ),
    (
        "StaticContentMessage",
        "staticContent",
        "RichLink",
        {"text": "Look", "linkItem": link("Shop", "https://shop.example"), "image": IMAGE},
        {},
    ),
    ("StaticContentMessage", "staticContent", "Links", {"links": [{"url": "https://shop.example"}]}, {}),
    (
        "StaticContentMessage",
        "staticContent",
        "Media",
        {"mediaAsset": IMAGE, "linkItems": [link("Buy", "https://shop.example")]},
        {},
    ),
    (
        "StaticContentMessage",
        "staticContent",
        "WebView",
        {
            "url": "https://survey.example/1",
            "title": title("Survey"),
            "displayType": "AutoOverlay",
            "parameters": [{"name": "lang", "value": VALUE}],
        },
        {},
    ),
    ("StaticContentMessage", "staticContent", "Application", {"application": APPLICATION}, {}),
    (
        "StaticContentMessage",
        "staticContent",
        "ExperienceType",
        {
            "message": "Pick a plan",
            "values": [
                {"valueType": "ExperienceTypeValue", "type": "ns__Plan", "property": "offer", "value": {"plan": "gold"}}
            ],
        },
        {},
    ),
    (
        "ChoicesMessage",
        "choices",
        "Buttons",
        {"text": "Ready?", "optionItems": [option("Yes"), option("No", "o2")]},
        {},
    ),
    (
        "ChoicesMessage",
        "choices",
        "QuickReplies",
        {"text": "When?", "optionItems": [option("Morning", titleItem=pictured("Morning"))], "images": [IMAGE]},
        {},
    ),
    (
        "ChoicesMessage",
        "choices",
        "ListPicker",
        {
            "title": "Store",
            "message": title("Choose one"),
            "optionItems": [option("North", titleItem=title("North", subTitle="open till 8"))],
            "reply": title("Thanks"),
        },
        {},
    ),
    (
        "ChoicesMessage",
        "choices",
        "Carousel",
        {
            "title": "Plans",
            "items": [
                {"titleItem": pictured("Gold"), "interactionItems": [option("Buy"), link("More", "https://p.example")]}
            ],
            "images": [IMAGE],
        },
        {},
    ),
    ("ChoicesMessage", "choices", "TimePicker", {"calendarEvent": VISIT}, {}),
    ("FormMessage", "form", "Inputs", CLAIM, {}),
    (
        "ChoicesMessage",
        "choices",
        "MessageDefinition",
        {
            "messageDefinitionNameOrId": "Plans",
            "targetLocale": "de",
            "options": [{"optionIdentifier": "o1", "value": {"valueType": "TextValue", "value": "Gold"}}],
        },
        {},
    ),
    (
        "ChoicesMessage",
        "choices",
        "Buttons",
        {"text": "Ready?", "optionItems": [option("Yes", titleItem=title("Yes", referenceId="r1"), colour="red")]},
        {"priority": "high"},
    ),
]


@pytest.mark.parametrize(
    ("message", "example"),
    [pytest.param(m, e, id=f"{m[2]}-{n}") for n, (m, e) in enumerate(zip(MESSAGES, EXAMPLES, strict=True))],
)
def test_each_format_becomes_the_shape_that_the_document_shows(message: Any, example: dict[str, Any]) -> None:
    message_type, container, format_type, fields, more = message
    body = {"messageType": message_type, "id": "e1", container: {"formatType": format_type, **fields}, **more}
    content = content_of({"entryType": "Message", "abstractMessage": body})
    assert content is not None
    assert json.loads(content.content or "") == example
    assert lost(body, example) == []


def test_the_document_shows_every_format() -> None:
    assert {example["format"] for example in EXAMPLES} == {each.word for each in FORMATS.values()}


def test_an_option_of_a_question_says_where_it_leads_and_keeps_its_number() -> None:
    item = {"nextInputId": "in9", "optionItem": option("Red", "o7"), "more": 1}
    question = section("SelectNavigationInput", "in1", "Colour", optionItems=[item])
    form = {"formatType": "Inputs", "formTitle": title("T"), "sections": [{"input": question}]}
    body = {"messageType": "FormMessage", "id": "e1", "form": form}
    content = content_of({"abstractMessage": body})
    assert content is not None
    (shown,) = json.loads(content.content or "")["sections"]
    assert shown["input"]["options"] == [
        {"id": "o7", "title": "Red", "next_input_id": "in9", "number": 1, "extra": {"more": 1}}
    ]


def test_kinds_that_nobody_knows_stay_under_their_names() -> None:
    question = section("SignatureInput", "in1", "Sign")
    static = {"formatType": "Inputs", "formTitle": {"itemType": "TitleHologramItem", "title": "T"}}
    body = {"messageType": "FormMessage", "id": "e1", "form": {**static, "sections": [{"input": question}]}}
    content = content_of({"abstractMessage": body})
    assert content is not None
    shown = json.loads(content.content or "")
    assert shown["sections"][0]["input"]["extra"] == {"inputType": "SignatureInput"}
    assert shown["extra"] == {"form": {"formTitle": {"itemType": "TitleHologramItem"}}}
