"""What HTTP itself says about sending a request again, and how the little that is read of an answer is read. Pure.

Nothing here raises, whatever the other side sends: an answer that cannot be read in full still has a status, and a
`Retry-After` that is no wait is no wait.
"""

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Final

LONGEST_RETRY_AFTER_S: Final = 86_400.0  # a day; every hold ends before, and event loops take no infinite waits
FEW_ATTEMPTS: Final = 5  # with the default waits these take about three seconds
BODY_BYTES: Final = 64 * 1024  # an answer is a status and a few words; more is not read

_LONGEST_RETRY_AFTER: Final = 64  # characters; an HTTP date has 29
_SECONDS: Final = re.compile(r"[0-9]+(?:\.[0-9]*)?")
_STATUS_LINE: Final = re.compile(rb"\s*HTTP/\d(?:\.\d)? +(\d{3})(?=[ \r\n])")
_CLASS: Final = re.compile(r"[1-5]xx")
_STATUS: Final = re.compile(r"[1-5][0-9][0-9]")


class Patience(StrEnum):
    """How long a request is repeated after a status."""

    DELIVERED = "delivered"
    RETRY = "retry"  # until retry.max or hold.max.s
    FINAL_SOON = "final soon"  # `FEW_ATTEMPTS` such answers end it
    FINAL = "final"


# One row per status that says: the same request may succeed later. Those of 500 and above all do.
_TEMPORARY = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)

# One row per status of a receiver with a rule of its own; 2xx is success, and every other status is repeated. What a
# proxy or a server says while it is being replaced (401, 403, 404, a redirect) is true of that moment only.
RECEIVER_STATUSES: Final[Mapping[str, Patience]] = {
    "400": Patience.FINAL_SOON,
    "408": Patience.RETRY,
    "410": Patience.FINAL,
    "413": Patience.FINAL_SOON,
    "422": Patience.FINAL_SOON,
    "425": Patience.RETRY,
    "429": Patience.RETRY,
}


def statuses_with(patience: Patience) -> tuple[str, ...]:
    """The rows of the table with this patience: the defaults of the settings."""
    return tuple(status for status, given in RECEIVER_STATUSES.items() if given is patience)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRules:
    """How long each status of a receiver is repeated.

    Items are a status such as `410`, or a class such as `4xx`. A status counts before its class; 408, 425 and 429 are
    repeated unless they are named themselves; 2xx is always success.
    """

    final: frozenset[str] = frozenset(statuses_with(Patience.FINAL))
    final_soon: frozenset[str] = frozenset(statuses_with(Patience.FINAL_SOON))

    def patience(self, status: int) -> Patience:
        """What the status says about repeating."""
        if is_success(status):
            return Patience.DELIVERED
        for named in (str(status), f"{status // 100}xx"):
            if named in self.final:
                return Patience.FINAL
            if named in self.final_soon:
                return Patience.FINAL_SOON
            if status in _TEMPORARY:
                return Patience.RETRY
        return Patience.RETRY


def status_list_problem(items: Iterable[str]) -> str | None:
    """What is wrong with a list of statuses and classes, None when nothing is."""
    for item in items:
        if not (_STATUS.fullmatch(item) or _CLASS.fullmatch(item)):
            return f"{item} is no status such as 410 and no class such as 4xx"
        if item.startswith("2"):
            return f"{item} says that the delivery has arrived"
    return None


def is_temporary(status: int) -> bool:
    """Whether a status says that the same request may succeed later: 408, 425, 429 and 5xx."""
    return status in _TEMPORARY or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def is_success(status: int) -> bool:
    """Whether a status is 2xx."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def retry_after_s(header: str, now_ms: int) -> float | None:
    """Seconds of a `Retry-After` header, a number or an HTTP date (RFC 9110, 10.2.3); None when it is neither.

    All three forms of a date are in UTC, asctime's too. `now_ms` is the present in epoch milliseconds; a date in the
    past gives 0, and no wait is longer than a day.
    """
    text = header.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST_RETRY_AFTER_S)
    if len(text) > _LONGEST_RETRY_AFTER:
        return None
    try:
        at = parsedate_to_datetime(text)
        at_s = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(0.0, at_s - now_ms / 1000), LONGEST_RETRY_AFTER_S)


def status_of(head: bytes) -> int | None:
    """The status of the final response that begins in these bytes, past interim ones (1xx); None when it is not there.

    For answers whose rest no HTTP parser takes: by its status line alone it is known how they ended.
    """
    at = 0
    while (line := _STATUS_LINE.match(head, at)) is not None:
        status = int(line[1])
        if status >= HTTPStatus.OK or status == HTTPStatus.SWITCHING_PROTOCOLS:
            return status
        end = head.find(b"\r\n\r\n", line.end())
        if end < 0:
            return None
        at = end + 4
    return None


def decoded(body: bytes, encoding: str) -> bytes:
    """A body without its `Content-Encoding`, at most 64 KiB of it; as it came when the encoding does not fit.

    A body that was cut gives what it held so far.
    """
    window = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}.get(
        encoding.strip().lower()
    )
    if window is None or not body:
        return body
    try:
        return zlib.decompressobj(window).decompress(body, BODY_BYTES)
    except zlib.error:
        return body
