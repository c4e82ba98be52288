"""Reads the content of a Message: one shape of our own whatever its format, and the plain text every channel can show.

Attachment urls are secrets of the customer: they belong here and in no log.
"""

from streams.core.content.fallback import numbered_text
from streams.core.content.formats import FORMATS
from streams.core.content.taking import Part, shaped
from streams.core.model.entries import Content
from streams.core.model.lenient import Object, as_filled_text, as_object, as_text, compact_json

# messageType -> the field its content is in. The end user's responses (…ResponseMessage) are not content.
CONTAINERS = {"StaticContentMessage": "staticContent", "ChoicesMessage": "choices", "FormMessage": "form"}
RESPONSES = frozenset({"ChoicesResponseMessage", "FormResponseMessage"})
_PLAIN = frozenset({"format", "in_reply_to", "text"})


def content_of(body: Object) -> Content | None:
    """The content of a Message's entryPayload; None when it has no abstractMessage.

    Its `text` is None when there is nothing to say in words. Its `content` is our shape as JSON; None when the text is
    all there is, and for a format that is not known.
    """
    message = as_object(body.get("abstractMessage"))
    if message is None:
        return None
    message_type = as_text(message.get("messageType")) or None
    container = CONTAINERS.get(message_type or "", "")
    format_type = as_text((as_object(message.get(container)) or {}).get("formatType")) or None
    content = _shape(Part(message), container) if format_type in FORMATS else {}
    is_plain = content.get("format") == "text" and content.keys() <= _PLAIN
    text = content.get("text") if is_plain or not content else numbered_text(content)
    return Content(
        message_type=message_type,
        format_type=format_type,
        text=text if as_filled_text(text) else None,
        content=None if is_plain or not content else compact_json(content),
        message_reason=as_text(body.get("messageReason")) or None,
    )


def _shape(message: Part, container: str) -> Object:
    """The message in our shape. `in_reply_to` is what the end user's response must name as inReplyToMessageId."""
    static = message.part(container) or Part({})
    found = FORMATS[static.text("formatType") or ""]
    message.drop("messageType", frozenset(CONTAINERS))
    fields = {
        "format": found.word,
        "in_reply_to": message.text("id"),
        "replies_to": message.text("inReplyToMessageId"),
        "category": message.text("contentCategory"),
        "handling": message.text("customHandlingType"),
        "references": [
            shaped(each, id=each.text("id"), record_id=each.text("recordId")) for each in message.parts("references")
        ],
        **found.build(static),
    }
    message.keep(container, static.left())
    return shaped(message, **fields)
