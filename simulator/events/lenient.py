"""Reading fields of foreign JSON that may have any shape: what does not fit is absent, and nothing raises. Pure."""

from typing import Any

import msgspec


def json_of(text: str | None) -> Any:
    """Decode JSON text; None for no text, and for text that is no JSON."""
    try:
        return msgspec.json.decode(text) if text else None
    except (msgspec.DecodeError, RecursionError):
        return None


def mapping_of(value: Any) -> dict[str, Any]:
    """Return a dictionary as it is; an empty one for any other value."""
    return value if isinstance(value, dict) else {}


def text_of(value: Any) -> str | None:
    """Return a text as it is; None for an empty one, and for any other value."""
    return value if isinstance(value, str) and value else None
