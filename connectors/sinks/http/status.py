"""What HTTP itself says about sending a request again. Pure."""

from email.utils import parsedate_to_datetime
from http import HTTPStatus

# One row per status that says: the same request may succeed later. Those of 500 and above all do.
_TEMPORARY = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)


def is_temporary(status: int) -> bool:
    """Whether a status says that the same request may succeed later: 408, 425, 429 and 5xx."""
    return status in _TEMPORARY or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def is_success(status: int) -> bool:
    """Whether a status is 2xx."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def retry_after_s(header: str, now_ms: int) -> float | None:
    """Seconds of a `Retry-After` header, a number or an HTTP date (RFC 9110, 10.2.3); None when it is neither.

    `now_ms` is the present in epoch milliseconds; a date in the past gives 0.
    """
    if header.strip().isdecimal():
        return float(header)
    try:
        at_s = parsedate_to_datetime(header).timestamp()
    except ValueError:
        return None
    return max(0.0, at_s - now_ms / 1000)
