"""Ids in the path of a question, read from the path as it was sent.

The server's own decoding leaves alone what it cannot decode (`%FF`, `%zz`), so `a%FF` would be an answer about the
conversation `a%FF`, whose path is `a%25FF`. Here each path names one id, or none.
"""

import re
from urllib.parse import unquote_to_bytes

# The server itself takes 8,190 bytes; what is forwarded must still fit, and all workers must refuse the same paths.
LONGEST_PATH = 4_096
_HALF_ESCAPED = re.compile(r"%(?![0-9A-Fa-f]{2})")


class UnreadablePath(Exception):
    """The path names no id; the message says why, and `status` is the answer's."""

    def __init__(self, status: int, message: str) -> None:
        """`status` is 400 or 414."""
        super().__init__(message)
        self.status = status


def ids_in(raw_path: str) -> list[str]:
    """Every second part of `/v1/conversations/ID[/deliveries/ID]`, percent-decoded. Raises `UnreadablePath`."""
    if len(raw_path) > LONGEST_PATH:
        raise UnreadablePath(414, f"the path has {len(raw_path)} characters; at most {LONGEST_PATH} are taken")
    return [_decoded(part) for part in raw_path.split("/")[3::2]]


def _decoded(part: str) -> str:
    if _HALF_ESCAPED.search(part):
        raise UnreadablePath(400, f"the id {part!r} has a % without two hex digits; write %25 for a % sign")
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise UnreadablePath(400, f"the id {part!r} is not percent-encoded UTF-8") from None
