"""The plain text that every channel can show, made from the content of a Message in our shape.

First comes the text or title, then the numbered options, then urls. Numbers run through the whole message, and each
option gets its own, so that a customer of a channel without buttons can respond with a number.
"""

from collections.abc import Iterable, Iterator
from itertools import count

from streams.core.content.parts import SUBTITLES
from streams.core.model.lenient import Object, as_filled_text, as_object

_Numbers = Iterator[int]
_NOTHING: Object = {}


def numbered_text(content: Object) -> str | None:
    """The text of a message; None when it has no words. Writes `number` into each option of `content`."""
    return "\n".join(_lines(content, count(1))) or None


def _lines(content: Object, numbers: _Numbers) -> Iterator[str]:
    match content["format"]:
        case "web_view":
            yield from _linked(content)
        case "application":
            application = content.get("application", _NOTHING)
            yield from _titled(application.get("message"))
            yield from _filled(application.get("name"))
        case "form":
            yield from _form(content, numbers)
        case "time_picker":
            event = content.get("event", _NOTHING)
            place = event.get("location", _NOTHING)
            yield from _titled(content.get("message"))
            yield from _filled(event.get("title"), place.get("title"), place.get("name"))
            yield from _options(content, numbers)
        case "carousel":
            yield from _titled(content)
            for card in content.get("cards", ()):
                yield from _titled(card)
                yield from _options(card, numbers)
        case _:
            yield from _usual(content, numbers)


def _usual(content: Object, numbers: _Numbers) -> Iterator[str]:
    yield from _titled(content)
    yield from _filled(content.get("text"))
    yield from _titled(content.get("message"))
    yield from _options(content, numbers)
    for attachment in content.get("attachments", ()):
        yield from _line(attachment.get("name"), attachment.get("url"))
    for linked in (content.get("media"), content.get("link"), *content.get("links", ())):
        if linked is not None:
            yield from _linked(linked)


def _form(content: Object, numbers: _Numbers) -> Iterator[str]:
    intro = content.get("intro", _NOTHING)
    yield from _titled(content)
    yield from _filled(intro.get("title"), intro.get("text"))
    yield from _titled(content.get("message"))
    for section in content.get("sections", ()):
        question = section.get("input", _NOTHING)
        yield from _titled(question)
        yield from _titled(question.get("label"))
        yield from _filled(question.get("hint"))
        yield from _options(question, numbers)


def _options(holder: Object, numbers: _Numbers) -> Iterator[str]:
    """A line for each option, with its number; links among the options are written as links, without one."""
    for option in holder.get("options", ()):
        if as_filled_text(option.get("url")):
            yield from _linked(option)
        else:
            for words in _choice(option):
                option["number"] = next(numbers)
                yield f"{option['number']}. {words}"


def _choice(option: Object) -> Iterable[str]:
    """The words of an option: its title, its time, or the value of a component's option."""
    if as_filled_text(option.get("start_time")):
        return [f"{option['start_time']}{_duration(option.get('duration_s'))}"]
    return _titled(option) or _filled((as_object(option.get("value")) or _NOTHING).get("value"))


def _duration(seconds: object) -> str:
    return f" ({seconds // 60} min)" if isinstance(seconds, int) and seconds >= 60 else ""


def _titled(holder: Object | None) -> list[str]:
    """One line with a title and its sub-titles; none when there is neither."""
    if holder is None:
        return []
    texts = _filled(holder.get("title"))
    texts += [text for name in SUBTITLES if name in holder and (text := as_filled_text(holder[name]))]
    return [" - ".join(texts)] if len(texts) > 1 else texts


def _filled(*values: object) -> list[str]:
    """Those of the values that are filled strings."""
    return [text for value in values if value is not None and (text := as_filled_text(value))]


def _linked(holder: Object) -> Iterable[str]:
    return _line(*_titled(holder), holder.get("url"))


def _line(*parts: object) -> Iterable[str]:
    texts = _filled(*parts)
    return [": ".join(texts)] if texts else []
