"""The formats of a Message. Each builder takes the entry id and the text and returns the entry."""

from collections.abc import Callable

from simulator.events import entries
from simulator.events.entries import Json

Builder = Callable[[str, str], Json]


def _title(text: str) -> Json:
    return {"itemType": "TitleItem", "title": text}


def _option(identifier: str, title: str) -> Json:
    return {"itemType": "TitleOptionItem", "optionIdentifier": identifier, "titleItem": _title(title)}


def _image(identifier: str) -> Json:
    return {
        "id": identifier,
        "assetType": "ImageAsset",
        "mimeType": "image/png",
        "assetUrl": f"https://cdn.example/{identifier}.png",
    }


def _attachments(entry_id: str, text: str) -> Json:
    link = f"https://org.file.force.example/sfc/dist/version/download/?ids=068&d={entry_id}"
    file = {"id": f"a-{entry_id}", "name": "quote.pdf", "mimeType": "application/pdf", "url": link}
    return entries.static_content(entry_id, {"formatType": "Attachments", "text": text, "attachments": [file]})


def _rich_link(entry_id: str, text: str) -> Json:
    item = {"itemType": "TitleLinkItem", "titleItem": _title(text), "url": "https://shop.example/offer"}
    return entries.static_content(entry_id, {"formatType": "RichLink", "linkItem": item, "image": _image("offer")})


def _links(entry_id: str, _text: str) -> Json:
    return entries.static_content(entry_id, {"formatType": "Links", "links": [{"url": "https://shop.example/help"}]})


def _media(entry_id: str, _text: str) -> Json:
    return entries.static_content(entry_id, {"formatType": "Media", "mediaAsset": _image("manual")})


def _web_view(entry_id: str, text: str) -> Json:
    content = {"formatType": "WebView", "url": "https://survey.example/1", "title": _title(text)}
    return entries.static_content(entry_id, content)


def _buttons(entry_id: str, text: str) -> Json:
    options = [_option("o1", "Yes"), _option("o2", "No")]
    return entries.choices(entry_id, {"formatType": "Buttons", "text": text, "optionItems": options})


def _quick_replies(entry_id: str, text: str) -> Json:
    options = [_option("o1", "Morning"), _option("o2", "Afternoon"), _option("o3", "Evening")]
    return entries.choices(entry_id, {"formatType": "QuickReplies", "text": text, "optionItems": options})


def _list_picker(entry_id: str, text: str) -> Json:
    options = [_option("o1", "North store"), _option("o2", "South store")]
    return entries.choices(entry_id, {"formatType": "ListPicker", "title": text, "optionItems": options})


def _carousel(entry_id: str, text: str) -> Json:
    card = {
        "titleItem": {"itemType": "TitleImageItem", "title": "Gold", "imageId": "gold"},
        "interactionItems": [_option("o1", "Take it")],
    }
    content = {"formatType": "Carousel", "title": text, "images": [_image("gold")], "items": [card]}
    return entries.choices(entry_id, content)


def _time_picker(entry_id: str, text: str) -> Json:
    slot = {
        "itemType": "TimeSlotOptionItem",
        "startTime": "2026-05-04T09:00:00Z",
        "duration": 1800,
        "optionIdentifier": "s1",
    }
    visit = {"itemType": "CalendarEventOptionsItem", "title": text, "identifier": "v1", "timeSlotOptionItems": [slot]}
    return entries.choices(entry_id, {"formatType": "TimePicker", "calendarEvent": visit})


def _form(entry_id: str, text: str) -> Json:
    field = {"inputType": "TextInput", "id": "in1", "label": _title("Order number"), "required": True}
    section = {"sectionType": "SingleInputSection", "input": field, "submitForm": True}
    return entries.form(entry_id, {"formatType": "Inputs", "formTitle": _title(text), "sections": [section]})


PLAIN_TEXT = "Text"
BUILDERS: dict[str, Builder] = {
    PLAIN_TEXT: entries.text_message,
    "Attachments": _attachments,
    "RichLink": _rich_link,
    "Links": _links,
    "Media": _media,
    "WebView": _web_view,
    "Buttons": _buttons,
    "QuickReplies": _quick_replies,
    "ListPicker": _list_picker,
    "Carousel": _carousel,
    "TimePicker": _time_picker,
    "Inputs": _form,
}
OTHER_FORMATS = tuple(name for name in BUILDERS if name != PLAIN_TEXT)
