"""Reading JSON that others wrote: lenient on shape, never an error. An explicit null is absent."""

from typing import Any

import msgspec

Object = dict[str, Any]

_decode = msgspec.json.Decoder().decode


def json_value(text: str) -> Any:
    """The value of a JSON text. Raises `ValueError` naming the reason, also for nesting that is too deep."""
    try:
        return _decode(text)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


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
