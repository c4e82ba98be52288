"""Text of others in lines of ours: one line stays one line, and a URL never shows user and password. Pure."""

import re
from typing import Final

HIDDEN: Final = "[hidden]"  # as Kafka Connect renders a password

# Controls (C0, DEL, C1), the two separators of Unicode that end a line, what turns the direction of writing, and halves
# of surrogate pairs, which no stream can encode.
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

# A scheme, and then a host that is one, maybe with a port, up to where it ends; or all up to a blank. The scheme is
# bounded: a long word is not searched from each of its letters. A quote ends a host unless the word goes on behind it.
_URL: Final = re.compile(
    r"(?<![a-z0-9+.-])(?P<scheme>[a-z][a-z0-9+.-]{0,15}://)"
    r"(?:(?P<plain>(?:\[[0-9a-f:.]+\]|[^\s\[\]:@/?#\"'<>]*)(?::\d+)?(?=[\s/?#]|$|[\"'<>](?:[^\w@]|$)))|(?P<other>\S+))",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"\S+")
_BEFORE_A_VALUE: Final = re.compile(r".*[=\"'(\[,]", re.DOTALL)


def one_line(text: str) -> str:
    r"""The text with control characters as JSON writes them: a line feed is `\n`, an escape is `\u001b`.

    So a message, id or header of somebody else can neither begin a log line nor steer a terminal.
    """
    return _CONTROLS.sub(_escaped, text)


def without_userinfo(text: str) -> str:
    """The text with `[hidden]@` in the place of `user:password@` of each address in it, with a scheme or without.

    Hidden is also what no parser takes: a password with `/`, `?`, `#` or a quote in it. Rather too much is hidden than
    too little; a host, maybe with a port, that stands before the first `/`, `?` or `#` of a URL is no user.
    """
    if "@" not in text:
        return text
    if "://" in text:
        text = _URL.sub(_masked, text)
    return _WORD.sub(_masked_word, text)


def _escaped(found: re.Match[str]) -> str:
    character = found.group()
    return _SHORT.get(character) or f"\\u{ord(character):04x}"


def _masked(found: re.Match[str]) -> str:
    scheme, plain, other = found.groups()
    if plain is not None:
        return found[0]
    _, mark, host = other.rpartition("@")
    return f"{scheme}{HIDDEN}@{host}" if mark else found[0]


def _masked_word(found: re.Match[str]) -> str:
    """For `user:password@host`. A time or an id before an e-mail address is hidden too when no blank parts the two."""
    word = found[0]
    before, mark, host = word.rpartition("@")
    user, colon, _ = before.partition(":")
    if not (mark and colon) or "/" in user or "://" in word:
        return word
    kept = _BEFORE_A_VALUE.match(user)
    return f"{kept[0] if kept is not None else ''}{HIDDEN}@{host}"
