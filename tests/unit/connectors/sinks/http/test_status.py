import pytest

from connectors.sinks.http.status import is_success, is_temporary, retry_after_s

# Sun, 06 Nov 1994 08:49:37 GMT
NOW_MS = 784_111_777_000


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("120", 120.0, id="seconds"),
        pytest.param("0", 0.0, id="at once"),
        pytest.param("Sun, 06 Nov 1994 08:50:07 GMT", 30.0, id="date"),
        pytest.param("Sun, 06 Nov 1994 08:49:00 GMT", 0.0, id="date that has passed"),
        pytest.param("soon", None, id="neither"),
        pytest.param("-5", None, id="negative"),
        pytest.param("", None, id="empty"),
    ],
)
def test_retry_after(header: str, expected: float | None) -> None:
    assert retry_after_s(header, NOW_MS) == expected


@pytest.mark.parametrize(
    ("status", "temporary"),
    [
        *((status, True) for status in (408, 425, 429, 500, 503, 599)),
        *((status, False) for status in (200, 302, 400, 404, 409, 410)),
    ],
)
def test_only_these_statuses_are_tried_again(status: int, temporary: bool) -> None:
    assert is_temporary(status) is temporary


def test_success_is_2xx() -> None:
    assert [status for status in (199, 200, 204, 299, 300) if is_success(status)] == [200, 204, 299]
