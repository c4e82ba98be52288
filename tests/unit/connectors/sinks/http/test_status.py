import time
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.sinks.http.status import (
    LONGEST_RETRY_AFTER_S,
    Patience,
    StatusRules,
    decoded,
    is_success,
    is_temporary,
    retry_after_s,
    status_list_problem,
    status_of,
)

# Sun, 06 Nov 1994 08:49:37 GMT
NOW_MS = 784_111_777_000


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Tokyo"])
def _zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_zone")
@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("120", 120.0, id="seconds"),
        pytest.param("0", 0.0, id="at once"),
        pytest.param("1.5", 1.5, id="a part of a second"),
        pytest.param("9" * 30, LONGEST_RETRY_AFTER_S, id="longer than a day"),
        pytest.param("9" * 5000, LONGEST_RETRY_AFTER_S, id="beyond all numbers"),
        pytest.param("Sun, 06 Nov 1994 08:50:07 GMT", 30.0, id="date"),
        pytest.param("Sunday, 06-Nov-94 08:50:07 GMT", 30.0, id="date of RFC 850"),
        pytest.param("Sun Nov  6 08:50:07 1994", 30.0, id="date of asctime, which is UTC"),
        pytest.param("Sun, 06 Nov 1994 08:49:00 GMT", 0.0, id="date that has passed"),
        pytest.param("Sun, 06 Nov 2094 08:49:00 GMT", LONGEST_RETRY_AFTER_S, id="date in a hundred years"),
        pytest.param("Sun, 06 Nov 1994 08:50:07 GMT" + " x" * 60, None, id="more than a date"),
        pytest.param("soon", None, id="neither"),
        pytest.param("-5", None, id="negative"),
        pytest.param("1e400", None, id="no number of HTTP"),
        pytest.param("nan", None, id="not a number"),
        pytest.param("١٢٠", None, id="digits of another script"),
        pytest.param("", None, id="empty"),
        pytest.param("Wed, 21 Oct 99999999999999999999 07:28:00 GMT", None, id="year beyond C"),
        pytest.param("Wed, 21 Oct " + "9" * 5000 + " 07:28:00 GMT", None, id="year beyond Python"),
        pytest.param("Wed, 21 Oct 2015 07:28:00 +99999999999999999999", None, id="zone beyond C"),
    ],
)
def test_retry_after(header: str, expected: float | None) -> None:
    assert retry_after_s(header, NOW_MS) == expected


_DATE = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Wed", "", "x"]),
    *[st.integers() | st.integers(1, 28)] * 1,
    st.sampled_from(["Oct", "Feb", "x"]),
    *[st.integers() | st.integers(1, 60)] * 4,
    st.sampled_from(["GMT", "", "-0000"]) | st.integers().map("{:+d}".format),
)


# A wait is a number of seconds that every event loop takes, or there is none.
@example("Wed, 21 Oct 99999999999999999999 07:28:00 GMT")
@given(st.text() | _DATE | st.integers().map(str) | st.floats().map(str))
def test_every_retry_after_is_a_wait_or_none(header: str) -> None:
    wait_s = retry_after_s(header, NOW_MS)
    assert wait_s is None or 0 <= wait_s <= LONGEST_RETRY_AFTER_S


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


@pytest.mark.parametrize(
    ("patience", "statuses"),
    [
        (Patience.DELIVERED, (200, 201, 204, 299)),
        (Patience.FINAL, (410,)),
        (Patience.FINAL_SOON, (400, 413, 422)),
        (Patience.RETRY, (101, 301, 302, 307, 401, 403, 404, 405, 408, 409, 418, 425, 429, 451, 500, 501, 503, 599)),
    ],
)
def test_each_status_has_its_patience(patience: Patience, statuses: tuple[int, ...]) -> None:
    assert {status: StatusRules().patience(status) for status in statuses} == dict.fromkeys(statuses, patience)


@pytest.mark.parametrize(
    ("status", "patience"),
    [
        pytest.param(404, Patience.FINAL, id="a class"),
        pytest.param(400, Patience.FINAL_SOON, id="a status before its class"),
        pytest.param(429, Patience.RETRY, id="a class does not say it of 408, 425 and 429"),
        pytest.param(425, Patience.FINAL, id="but their own name does"),
        pytest.param(503, Patience.FINAL_SOON, id="5xx can be named too"),
        pytest.param(204, Patience.DELIVERED, id="2xx is success"),
    ],
)
def test_settings_decide(status: int, patience: Patience) -> None:
    rules = StatusRules(final=frozenset({"4xx", "425"}), final_soon=frozenset({"400", "5xx"}))
    assert rules.patience(status) is patience


@pytest.mark.parametrize(
    ("items", "words"),
    [
        (["410", "4xx"], None),
        ([], None),
        (["4XX"], "4XX is no status"),
        (["99"], "99 is no status"),
        (["410-420"], "410-420 is no status"),
        (["٤١٠"], "is no status"),
        (["200"], "has arrived"),
        (["2xx"], "has arrived"),
    ],
)
def test_a_list_of_statuses_is_checked(items: list[str], words: str | None) -> None:
    problem = status_list_problem(items)
    assert (problem is None) if words is None else words in (problem or "")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        pytest.param(b"HTTP/1.1 204 No Content\r\nX: 1\r\n\r\n3\r\n", 204, id="status line"),
        pytest.param(b"HTTP/1.1 200\r\n", 200, id="without a reason"),
        pytest.param(b"HTTP/1.0 410 Gone\r\n", 410, id="HTTP/1.0"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 Too Large\r\n", 413, id="behind an interim response"),
        pytest.param(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", None, id="interim only"),
        pytest.param(b"HTTP/1.1 103 Early Hints\r\nLink: HTTP/1.1 200 OK", None, id="in a header of an interim one"),
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\n", 101, id="101 is final"),
        pytest.param(b"HTTP/1.1 20", None, id="half a status"),
        pytest.param(b"HTTP/1.1 200", None, id="maybe more digits"),
        pytest.param(b"HTTP/1.1 2000 X\r\n", None, id="four digits"),
        pytest.param(b"", None, id="nothing"),
        pytest.param(b"\x16\x03\x01 TLS", None, id="no HTTP"),
    ],
)
def test_the_status_is_found_in_the_first_bytes(head: bytes, status: int | None) -> None:
    assert status_of(head) == status


@given(st.binary() | st.binary().map(lambda rest: b"HTTP/1.1 " + rest))
def test_a_status_is_found_or_not(head: bytes) -> None:
    status = status_of(head)
    assert status is None or 101 <= status <= 999


_PACKED = zlib.compress(b"hello" * 100)


@pytest.mark.parametrize(
    ("body", "encoding", "expected"),
    [
        pytest.param(b"hello", "", b"hello", id="none"),
        pytest.param(_PACKED, "deflate", b"hello" * 100, id="deflate"),
        pytest.param(b"hello", "gzip", b"hello", id="does not fit"),
        pytest.param(b"hello", "zstd", b"hello", id="unknown"),
        pytest.param(zlib.compress(b"\0" * 10_000_000), "deflate", b"\0" * 65_536, id="a bomb"),
    ],
)
def test_a_body_is_decoded_when_it_can_be(body: bytes, encoding: str, expected: bytes) -> None:
    assert decoded(body, encoding) == expected


@given(st.binary(), st.sampled_from(["gzip", "deflate", "br", "identity", ""]) | st.text(max_size=10))
def test_every_body_and_encoding_give_bytes(body: bytes, encoding: str) -> None:
    assert len(decoded(body, encoding)) <= 65_536
