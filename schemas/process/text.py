"""Text of others in lines of ours: one line stays one line, and a URL never shows user and password. Pure."""

import re
from typing import Final

HIDDEN: Final = "[hidden]"  # as Kafka Connect renders a password

# Controls (C0, DEL, C1), the two separators of Unicode that end a line, what turns the direction of writing, and halves
# of surrogate pairs, which no stream can encode.
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

# From "scheme://" to a blank or quote. The scheme is bounded: a long word is not searched from each of its letters.
_URL: Final = re.compile(r"(?<![a-z0-9+.-])([a-z][a-z0-9+.-]{0,15}://)([^\s\"'<>]+)", re.IGNORECASE)
_AUTHORITY: Final = re.compile(r"[^/?#]*")
_HALF_AN_AUTHORITY: Final = re.compile(r"[^\[\]:]*:(?!\d*$).")


def one_line(text: str) -> str:
    r"""The text with control characters as JSON writes them: a line feed is `\n`, an escape is `\u001b`.

    So a message, id or header of somebody else can neither begin a log line nor steer a terminal.
    """
    return _CONTROLS.sub(_escaped, text)


def without_userinfo(text: str) -> str:
    """The text with `[hidden]@` in the place of `user:password@` in each URL in it.

    A password with an unescaped `/`, `?` or `#` is recognised by what then stands in the place of the port; rather too
    much is hidden than too little.
    """
    if "@" not in text or "://" not in text:
        return text
    return _URL.sub(_masked, text)


def _escaped(found: re.Match[str]) -> str:
    character = found.group()
    return _SHORT.get(character) or f"\\u{ord(character):04x}"


def _masked(found: re.Match[str]) -> str:
    scheme, rest = found.groups()
    authority = _AUTHORITY.match(rest)
    shown = authority.group() if authority is not None else ""
    if "@" in rest and ("@" in shown or _HALF_AN_AUTHORITY.match(shown)):
        return f"{scheme}{HIDDEN}@{rest.rpartition('@')[2]}"
    return scheme + rest
