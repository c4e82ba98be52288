"""The content of a Message: which format it has, the plain text every channel can show, and the whole as JSON.

Fallback text is text or title, then numbered options, then urls; numbers run through the whole message, so that a
customer can answer with one. Attachment urls are secrets of the customer: they belong here and in no log.
"""

from collections.abc import Callable, Iterable
from typing import Any

from streams.core.entries import Content
from streams.core.reading import Object, as_filled_text, as_object, as_objects, as_text, compact_json

# messageType -> the field its content is in. Answers (…ResponseMessage) come from the end user and are not content.
CONTAINERS = {"StaticContentMessage": "staticContent", "ChoicesMessage": "choices", "FormMessage": "form"}
ANSWERS = frozenset({"ChoicesResponseMessage", "FormResponseMessage"})


def content_of(body: Object) -> Content | None:
    """The content of a Message's entryPayload; None when it has no abstractMessage.

    `text` is None when none can be built; `content` is None for plain text, else the abstractMessage as it came, with
    `optionIdentifier` also where an older sender wrote `optionId`: an answer has to name it.
    """
    message = as_object(body.get("abstractMessage"))
    if message is None:
        return None
    message_type = as_text(message.get("messageType")) or None
    static = as_object(message.get(CONTAINERS.get(message_type or "", ""))) or {}
    format_type = as_text(static.get("formatType")) or None
    build = FORMATS.get(format_type or "")
    lines = [] if build is None else list(build(static))
    return Content(
        message_type=message_type,
        format_type=format_type,
        text="\n".join(_numbered(lines)) or None,
        content=None if _is_plain(message, static) else _whole(message),
        message_reason=as_text(body.get("messageReason")) or None,
    )


def _is_plain(message: Object, static: Object) -> bool:
    """True when the text says everything: a static text with no other field in use."""
    if message.get("messageType") != "StaticContentMessage" or static.get("formatType") != "Text":
        return False
    others = [key for key, value in message.items() if value is not None and key not in _PLAIN_MESSAGE]
    return not others and all(value is None or key in _PLAIN_STATIC for key, value in static.items())


def _whole(message: Object) -> str:
    content = compact_json(message)
    return compact_json(_with_option_identifiers(message)) if '"optionId"' in content else content


def _with_option_identifiers(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_option_identifiers(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {key: _with_option_identifiers(item) for key, item in value.items()}
    is_option = "titleItem" in named or "itemType" in named
    if is_option and named.get("optionIdentifier") is None and named.get("optionId") is not None:
        named["optionIdentifier"] = named["optionId"]
    return named


_PLAIN_MESSAGE = frozenset({"messageType", "id", "staticContent"})
_PLAIN_STATIC = frozenset({"formatType", "text"})


class _Option(str):
    """A line that gets a number."""

    __slots__ = ()


def _numbered(lines: Iterable[str]) -> Iterable[str]:
    number = 0
    for line in lines:
        if isinstance(line, _Option):
            number += 1
            yield f"{number}. {line}"
        else:
            yield line


def _texts(*values: object) -> Iterable[str]:
    """Those of the values that are filled strings."""
    return [text for text in map(as_filled_text, values) if text]


def _title(item: object) -> str | None:
    """`title` of a titleItem with its sub-titles, or a bare string."""
    holder = as_object(item)
    if holder is None:
        return as_filled_text(item)
    keys = ("title", "subTitle", "secondarySubTitle", "tertiarySubTitle", "imageSubTitle")
    return " - ".join(_texts(*(holder.get(key) for key in keys))) or None


def _linked(title: str | None, url: object) -> Iterable[str]:
    parts = _texts(title, url)
    return [": ".join(parts)] if parts else []


def _link_item(item: object) -> Iterable[str]:
    link = as_object(item) or {}
    return _linked(_title(link.get("titleItem")), link.get("url"))


def _asset_url(asset: object) -> object:
    return (as_object(asset) or {}).get("assetUrl")


def _options(items: object) -> Iterable[str]:
    """Option items as numbered lines; link items among them as links."""
    for each in as_objects(items):
        item = as_object(each.get("optionItem")) or each  # an option that leads to another question wraps it
        title = _title(item.get("titleItem")) or as_filled_text(item.get("title"))
        if as_filled_text(item.get("url")):
            yield from _linked(title, item.get("url"))
        elif title:
            yield _Option(title)


def _text(static: Object) -> Iterable[str]:
    text = as_text(static.get("text"))
    return [text] if text and not text.isspace() else []


def _attachments(static: Object) -> Iterable[str]:
    yield from _texts(static.get("text"))
    for attachment in as_objects(static.get("attachments")):
        yield from _linked(as_filled_text(attachment.get("name")), attachment.get("url"))


def _rich_link(static: Object) -> Iterable[str]:
    yield from _texts(static.get("text"))
    yield from _link_item(static.get("linkItem"))


def _links(static: Object) -> Iterable[str]:
    for link in as_objects(static.get("links")):
        yield from _linked(_title(link.get("titleItem")), link.get("url"))


def _media(static: Object) -> Iterable[str]:
    asset = as_object(static.get("mediaAsset")) or {}
    yield from _linked(_title(asset), _asset_url(asset))
    for link in as_objects(static.get("linkItems")):
        yield from _link_item(link)


def _web_view(static: Object) -> Iterable[str]:
    return _linked(_title(static.get("title")), static.get("url"))


def _application(static: Object) -> Iterable[str]:
    application = as_object(static.get("application")) or {}
    return _texts(_title(application.get("message")), application.get("name"))


def _experience(static: Object) -> Iterable[str]:
    return _texts(static.get("message"))


def _choices(choices: Object) -> Iterable[str]:
    yield from _texts(_title(choices.get("title")), choices.get("text"), _title(choices.get("message")))
    yield from _options(choices.get("optionItems"))


def _carousel(choices: Object) -> Iterable[str]:
    yield from _texts(_title(choices.get("title")))
    for item in as_objects(choices.get("items")):
        yield from _texts(_title(item.get("titleItem")))
        yield from _options(item.get("interactionItems"))


def _time_picker(choices: Object) -> Iterable[str]:
    event = as_object(choices.get("calendarEvent")) or {}
    yield from _texts(_title(choices.get("message")), event.get("title"))
    location = as_object(event.get("location")) or {}
    yield from _texts(location.get("title"), location.get("name"))
    for slot in as_objects(event.get("timeSlotOptionItems")):
        start = as_filled_text(slot.get("startTime"))
        if start:
            yield _Option(start + _duration(slot.get("duration")))


def _duration(seconds: object) -> str:
    """A slot's `duration`, which is in seconds, as minutes."""
    if isinstance(seconds, int) and seconds >= 60:
        return f" ({seconds // 60} min)"
    return ""


def _definition(container: Object) -> Iterable[str]:
    """A reference to a component of the org: nothing of its text is in the event but the options' values."""
    for option in as_objects(container.get("options")):
        value = (as_object(option.get("value")) or {}).get("value")
        text = as_filled_text(value)
        if text:
            yield _Option(text)


def _form(form: Object) -> Iterable[str]:
    intro = as_object(form.get("introScreen")) or {}
    yield from _texts(_title(form.get("formTitle")), intro.get("title"), intro.get("text"), _title(form.get("message")))
    for section in as_objects(form.get("sections")):
        question = as_object(section.get("input")) or {}
        yield from _texts(_title(question.get("titleItem")), _title(question.get("label")), question.get("hintText"))
        yield from _options(question.get("optionItems"))


FORMATS: dict[str, Callable[[Object], Iterable[str]]] = {
    "Text": _text,
    "Attachments": _attachments,
    "RichLink": _rich_link,
    "Links": _links,
    "Media": _media,
    "WebView": _web_view,
    "Application": _application,
    "ExperienceType": _experience,
    "Buttons": _choices,
    "QuickReplies": _choices,
    "ListPicker": _choices,
    "Carousel": _carousel,
    "TimePicker": _time_picker,
    "MessageDefinition": _definition,
    "Inputs": _form,
}
"""Every format that may be delivered, by `formatType`. A format under an unusual parent is read all the same."""
