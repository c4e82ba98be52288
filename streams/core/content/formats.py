"""Every format of a Message in our shape: `docs/deliveries.md` shows each with an example."""

from collections.abc import Callable
from typing import NamedTuple

from streams.core.content.form import form
from streams.core.content.parts import (
    asset,
    assets,
    link,
    named_values,
    one,
    option,
    options,
    slot,
    title_fields,
)
from streams.core.content.taking import Part, shaped
from streams.core.model.lenient import Object

Fields = Object
Builder = Callable[[Part], Fields]


def _text(static: Part) -> Fields:
    cited = static.part("citationContent")
    fields: Fields = {"text": static.text("text")}
    if cited is not None:
        fields["citations"] = [_citation(each) for each in cited.parts("citations")]
        static.keep("citationContent", cited.left())
    return fields


_LINK = frozenset({"Link"})
_INLINE = frozenset({"InlineMetadata", "InlineMetadataCitedDetails"})


def _citation(item: Part) -> Object:
    """A source of the text, and the places in `text` that rest on it, in characters from the start of the text."""
    reference, details = one(item, "citedReference"), one(item, "citedDetails")
    target = one(reference, "link")
    fields = {
        "url": target.text("url"),
        "label": reference.text("label"),
        "record_id": reference.text("recordId"),
        "places": [_place(each) for each in details.parts("inlineMetadata")],
    }
    reference.drop("citedReferenceType", _LINK)
    details.drop("citedDetailsType", _INLINE)
    reference.keep("link", target.left())
    item.keep("citedReference", reference.left())
    item.keep("citedDetails", details.left())
    return shaped(item, **fields)


def _place(item: Part) -> Object:
    claim = one(item, "claim")
    fields = {
        "at": item.scalar("citedLocationOffset"),
        "claim_from": claim.scalar("claimStartOffset"),
        "claim_to": claim.scalar("claimEndOffset"),
    }
    item.keep("claim", claim.left())
    return shaped(item, **fields)


def _attachments(static: Part) -> Fields:
    return {"text": static.text("text"), "attachments": [_attachment(each) for each in static.parts("attachments")]}


def _attachment(item: Part) -> Object:
    fields = {
        "id": item.text("id"),
        "name": item.text("name"),
        "mime_type": item.text("mimeType"),
        "url": item.text("url"),
    }
    return shaped(item, **fields)


def _rich_link(static: Part) -> Fields:
    return {
        "text": static.text("text"),
        "link": link(one(static, "linkItem")),
        "image": asset(one(static, "image")),
        "video": asset(one(static, "video")),
    }


def _links(static: Part) -> Fields:
    return {"links": [link(each) for each in static.parts("links")]}


def _media(static: Part) -> Fields:
    return {"media": asset(one(static, "mediaAsset")), "links": [link(each) for each in static.parts("linkItems")]}


def _web_view(static: Part) -> Fields:
    return {
        **title_fields(static, "title"),
        "url": static.text("url"),
        "display": static.text("displayType"),
        "parameters": named_values(static, "parameters"),
    }


def _application(static: Part) -> Fields:
    item = one(static, "application")
    fields = {
        "id": item.text("identifier"),
        "name": item.text("name"),
        "developer_id": item.text("developerId"),
        "kind": item.text("applicationType"),
        "bundle": item.text("bundle"),
        "live_layout": item.scalar("useLiveLayout"),
        "message": title_fields(item, "message"),
        "reply": title_fields(item, "reply"),
        "icon_image_id": item.text("iconImageId"),
        "images": assets(item, "images"),
        "arguments": named_values(item, "arguments"),
    }
    return {"application": shaped(item, **fields)}


def _experience(static: Part) -> Fields:
    return {"text": static.text("message"), "values": [_experience_value(each) for each in static.parts("values")]}


def _experience_value(item: Part) -> Object:
    fields = {"type": item.text("type"), "property": item.text("property"), "value": item.value("value")}
    item.drop("valueType", frozenset({"ExperienceTypeValue"}))
    return shaped(item, **fields)


def _choices(choices: Part) -> Fields:
    """Buttons, quick replies and list pickers. `reply` is what to show once the end user has answered."""
    return {
        **title_fields(choices, "title"),
        "text": choices.text("text"),
        "message": title_fields(choices, "message"),
        "options": options(choices, "optionItems"),
        "reply": title_fields(choices, "reply"),
        "images": assets(choices, "images"),
    }


def _carousel(choices: Part) -> Fields:
    return {
        **title_fields(choices, "title"),
        "cards": [_card(each) for each in choices.parts("items")],
        "images": assets(choices, "images"),
    }


def _card(item: Part) -> Object:
    fields = title_fields(item, "titleItem")
    return shaped(item, **fields, options=[option(each) for each in item.parts("interactionItems")])


def _time_picker(choices: Part) -> Fields:
    message, event = title_fields(choices, "message"), one(choices, "calendarEvent")
    slots = [slot(each) for each in event.parts("timeSlotOptionItems")]
    place = event.part("location")
    fields = {
        "id": event.text("identifier"),
        "title": event.text("title"),
        "location": None if place is None else _location(place),
        "timezone_offset": event.scalar("timezoneOffset"),
        "image_id": event.text("imageId"),
    }
    event.drop("itemType", frozenset({"CalendarEventOptionsItem"}))
    return {
        "message": message,
        "event": shaped(event, **fields),
        "options": slots,
        "reply": title_fields(choices, "reply"),
        "images": assets(choices, "images"),
    }


def _location(item: Part) -> Object:
    fields = {
        "title": item.text("title"),
        "name": item.text("name"),
        "latitude": item.scalar("latitude"),
        "longitude": item.scalar("longitude"),
        "radius": item.scalar("radius"),
    }
    item.drop("itemType", frozenset({"LocationItem"}))
    return shaped(item, **fields)


def _definition(container: Part) -> Fields:
    """A message component of the org. The event only names it: of its words it holds the values of the options."""
    return {
        "definition": container.text("messageDefinitionNameOrId"),
        "locale": container.text("targetLocale"),
        "parameters": named_values(container, "parameters"),
        "options": [
            shaped(each, id=each.text("optionIdentifier"), value=each.value("value"))
            for each in container.parts("options")
        ],
    }


class Format(NamedTuple):
    """One format: `word` is our name for it, `build` makes the fields of our shape from the message's container."""

    word: str
    build: Builder


FORMATS: dict[str, Format] = {
    "Text": Format("text", _text),
    "Attachments": Format("attachments", _attachments),
    "RichLink": Format("rich_link", _rich_link),
    "Links": Format("links", _links),
    "Media": Format("media", _media),
    "WebView": Format("web_view", _web_view),
    "Application": Format("application", _application),
    "ExperienceType": Format("experience", _experience),
    "Buttons": Format("buttons", _choices),
    "QuickReplies": Format("quick_replies", _choices),
    "ListPicker": Format("list_picker", _choices),
    "Carousel": Format("carousel", _carousel),
    "TimePicker": Format("time_picker", _time_picker),
    "MessageDefinition": Format("definition", _definition),
    "Inputs": Format("form", form),
}
"""Every format that may be delivered, by `formatType`; one that is not here is withheld as `unknown_format`.

A new format is one row, and a function where no other format has its fields. A format under an unusual parent is read
all the same.
"""
