"""Reading JSON that others wrote: lenient on shape, strict on size. An explicit null is absent.

What is read for the state passes `as_id`, `as_word`, `cut`, `as_number` or `as_time_ms`: they hold the bounds of
`streams.core.model.bounds`.
"""

from typing import Any

import msgspec

from streams.core.model.bounds import (
    DEEPEST,
    LARGEST_NUMBER,
    LATEST_MS,
    LONGEST_ID,
    LONGEST_REASON,
    LONGEST_WORD,
    checked_id,
)

Object = dict[str, Any]

_decode = msgspec.json.Decoder().decode
TOO_DEEP = f"it is nested more than {DEEPEST} levels deep"


def json_value(text: str) -> Any:
    """The value of a JSON text. Raises `ValueError` naming the reason, also for more than `DEEPEST` levels."""
    try:
        value = _decode(text)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error
    except RecursionError:  # of the interpreter, whose limit depends on its version and is far above ours
        raise ValueError(TOO_DEEP) from None
    if text.count("{") + text.count("[") > DEEPEST and is_too_deep(value):
        raise ValueError(TOO_DEEP)
    return value


def is_too_deep(value: object) -> bool:
    """True when arrays and objects lie in one another more than `DEEPEST` levels deep. Does not recurse."""
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level if isinstance(outer, (dict, list)) for inner in _inside(outer)]
        if not level:
            return False
    return any(isinstance(each, (dict, list)) for each in level)


def _inside(outer: Any) -> Any:
    return outer.values() if isinstance(outer, dict) else outer


def as_text(value: object) -> str | None:
    """A string; a whole number as its digits; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def as_filled_text(value: object) -> str | None:
    """A string with something in it besides blanks; None for anything else."""
    text = as_text(value)
    return text if text and not text.isspace() else None


def as_id(value: object, name: str) -> str | None:
    """As `as_filled_text`. Raises `OutOfBounds` naming the field `name` when it is longer than an id may be."""
    text = as_filled_text(value)
    return checked_id(text, name) if text is not None and len(text) > LONGEST_ID else text


def as_word(value: object) -> str | None:
    """A word of an enumeration that Salesforce may extend, as `as_filled_text`; cut where no word is as long."""
    return cut(as_filled_text(value), LONGEST_WORD)


def cut(text: str | None, longest: int = LONGEST_REASON) -> str | None:
    """The first `longest` characters of a text that people read."""
    return text if text is None else text[:longest]


def as_number(value: object) -> int | None:
    """A whole number that fits 64 bits; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
        return value
    return None


_SECONDS_BELOW = 100_000_000_000  # as milliseconds, this is 1973
_LONGEST_TIME = 18  # digits; Python refuses to read thousands of them


def as_time_ms(value: object) -> int | None:
    """A time as epoch milliseconds: a number or its digits, in milliseconds or in seconds; None for anything else.

    Also None for what is no time between 1970 and the year 9999.
    """
    if isinstance(value, str) and value.isdecimal() and len(value) <= _LONGEST_TIME:
        value = int(value)
    number = as_number(value)
    if number is None or number <= 0:
        return None
    at_ms = number * 1000 if number < _SECONDS_BELOW else number
    return at_ms if at_ms <= LATEST_MS else None


def as_object(value: object) -> Object | None:
    """An object, also when it comes as a JSON string; None for anything else."""
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        try:
            value = json_value(value)
        except ValueError:
            return None
    return value if isinstance(value, dict) else None


def as_objects(value: object) -> list[Object]:
    """The objects of an array; an empty list for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def compact_json(value: object) -> str:
    """JSON without blanks, keys in the order they came."""
    return msgspec.json.encode(value).decode()
