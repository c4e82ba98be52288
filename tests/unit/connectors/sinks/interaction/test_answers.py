import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sinks.interaction.answers import Meaning, ServiceAnswer, meaning, parse


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        pytest.param(202, b'{"success":true}', Meaning.ACCEPTED, id="accepted"),
        pytest.param(202, b"", Meaning.ACCEPTED, id="2xx without a body is acceptance"),
        pytest.param(202, b'{"succ', Meaning.ACCEPTED, id="2xx with a body that was cut is acceptance"),
        pytest.param(200, b"\xff\x8b\x08", Meaning.ACCEPTED, id="2xx with bytes of another encoding is acceptance"),
        pytest.param(200, b" \r\n<html>busy</html>", Meaning.RETRY, id="2xx with a page is no acceptance"),
        pytest.param(404, b"<html>not found</html>", Meaning.REJECTED, id="a page with another status is that status"),
        pytest.param(200, b'{"success":"false"}', Meaning.REJECTED, id="no as text"),
        pytest.param(200, b'{"success":"TRUE"}', Meaning.ACCEPTED, id="yes as text"),
        pytest.param(200, b'\xef\xbb\xbf{"success":false}', Meaning.REJECTED, id="no behind a byte order mark"),
        pytest.param(400, b'{"code":10055.0,"message":"x"}', Meaning.RETRY, id="code with a point"),
        pytest.param(400, b'{"code":"10055.0","message":"x"}', Meaning.RETRY, id="code as text with a point"),
        pytest.param(
            200, b'{"errorDetail":{"code":10056,"message":{"text":"later"}}}', Meaning.RETRY, id="message is an object"
        ),
        pytest.param(400, b'{"code":10056,"message":"\xff\xfe"}', Meaning.RETRY, id="message is no UTF-8"),
        pytest.param(400, b'{"code":10056,"message":"\\ud800"}', Meaning.RETRY, id="message is half a character"),
        pytest.param(200, b'{"code":%s}' % (b"9" * 30), Meaning.REJECTED, id="code of 30 digits is an error"),
        pytest.param(200, b'{"code":"%s"}' % (b"9" * 5000), Meaning.REJECTED, id="code of 5,000 digits is an error"),
        pytest.param(200, b'{"code":%s}' % (b"9" * 5000), Meaning.REJECTED, id="number of 5,000 digits is an error"),
        pytest.param(200, b'{"code":-10056}', Meaning.REJECTED, id="negative code is an error"),
        pytest.param(503, b'{"code":%s}' % (b"9" * 30), Meaning.RETRY, id="unknown code leaves 503 to be tried again"),
        pytest.param(
            400,
            b'{"code":10056,"deep":' + b"[" * 60_000,
            Meaning.REJECTED,
            id="too deep to be read: the status decides",
        ),
        pytest.param(503, b'{"code":%d}' % 2**31, Meaning.RETRY, id="so does one just beyond 32 bits"),
        pytest.param(503, b'{"code":%d}' % (2**31 - 1), Meaning.REJECTED, id="the largest code decides"),
        pytest.param(202, b'{"success":false}', Meaning.REJECTED, id="2xx can say no"),
        pytest.param(
            202,
            b'{"success":false,"errorDetail":{"code":10056,"message":"Please retry."}}',
            Meaning.RETRY,
            id="2xx can say later",
        ),
        pytest.param(400, b'{"code":10012,"message":"bad id"}', Meaning.REJECTED, id="permanent code"),
        pytest.param(500, b'{"code":10012,"message":"bad id"}', Meaning.REJECTED, id="code decides over the status"),
        pytest.param(400, b'{"code":10055,"message":"Please retry."}', Meaning.RETRY, id="please retry"),
        pytest.param(400, b'{"code":"10094","message":"timeout"}', Meaning.RETRY, id="code as text"),
        pytest.param(400, b'{"code":10019,"message":"migration"}', Meaning.RETRY, id="read-only while migrating"),
        pytest.param(400, b'{"code":500,"message":"internal"}', Meaning.RETRY, id="code 500"),
        pytest.param(400, b'{"code":20003,"message":"empty"}', Meaning.RETRY, id="service error"),
        pytest.param(400, b'{"code":25006,"message":"not found"}', Meaning.RETRY, id="service error of 2500x"),
        pytest.param(401, b'{"code":10003,"message":"scope"}', Meaning.NEW_TOKEN, id="token without scope"),
        pytest.param(403, b'{"code":10004,"message":"token"}', Meaning.NEW_TOKEN, id="token not valid"),
        pytest.param(403, b'{"code":10005,"message":"context"}', Meaning.NEW_TOKEN, id="token of another context"),
        pytest.param(401, b"", Meaning.NEW_TOKEN, id="401 without a code"),
        pytest.param(429, b"", Meaning.RETRY, id="429"),
        pytest.param(
            403, b'{"message":"Interaction request rate limit exceeded"}', Meaning.RETRY, id="rate limit by its words"
        ),
        pytest.param(503, b"", Meaning.RETRY, id="503"),
        pytest.param(408, b"", Meaning.RETRY, id="408"),
        pytest.param(400, b'{"code":0,"message":null}', Meaning.REJECTED, id="code zero is no code"),
        pytest.param(400, b'{"code":15109,"message":"active"}', Meaning.ACCEPTED, id="the work is active already"),
        pytest.param(404, b"", Meaning.REJECTED, id="404"),
        pytest.param(302, b"", Meaning.REJECTED, id="redirects are not followed"),
    ],
)
def test_an_answer_means(status: int, body: bytes, expected: Meaning) -> None:
    assert meaning(status, parse(body)) is expected


def test_the_detail_is_read_from_either_place() -> None:
    nested = parse(b'{"success":false,"errorDetail":{"code":10018,"message":"gone"}}')
    assert nested == ServiceAnswer(success=False, code=10018, message="gone")
    assert parse(b'{"code":10018,"message":"gone"}') == ServiceAnswer(code=10018, message="gone")


def test_the_record_ids_of_an_answer_are_kept_and_nothing_else_of_it() -> None:
    body = b'{"success":true,"agentWorkId":"0Bz1","psrId":"0JR1","workItemId":7,"contextParamMap":{"userId":"005"}}'
    assert dict(parse(body).ids) == {"psrId": "0JR1", "agentWorkId": "0Bz1"}
    assert parse(b'{"success":true,"psrId":null,"agentWorkId":""}').ids == ()


def test_words_are_cut_and_an_id_is_whole_or_left_out() -> None:
    said = "a" * 1_999 + "é" * 9
    body = {
        "success": False,
        "errorDetail": {"code": 10018, "message": said},
        "psrId": "p" * 255,
        "agentWorkId": "w" * 256,
    }
    assert parse(json.dumps(body).encode()) == ServiceAnswer(
        success=False, code=10018, message=said[:2_000], ids=(("psrId", "p" * 255),)
    )
    found = parse(json.dumps({"message": {"text": said}}).encode()).message
    assert found is not None
    assert len(found) == 2_000


_WORD = st.text(max_size=20) | st.integers() | st.floats() | st.booleans() | st.none() | st.just("9" * 5000)
_FOREIGN = st.recursive(
    _WORD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
_FIELDS = st.sampled_from(
    ["success", "code", "message", "errorDetail", "psrId", "routingCorrelationId", "agentWorkId", "x"]
)
_ERROR = st.fixed_dictionaries({}, optional={"code": _FOREIGN, "message": _FOREIGN})
_BODIES = st.dictionaries(_FIELDS, _FOREIGN | _ERROR).map(lambda body: json.dumps(body).encode())


# Whatever stands in a body, reading it ends with an answer that can be judged and written into a result record.
@given(body=st.binary() | _BODIES | _BODIES.map(lambda body: body[:-1]), status=st.integers(100, 599))
def test_every_body_is_read_and_fits_the_result(body: bytes, status: int) -> None:
    answer = parse(body)
    assert isinstance(meaning(status, answer), Meaning)
    assert answer.code is None or 0 < answer.code < 2**31
    assert len((answer.message or "").encode()) <= 8000
    assert all(word.encode() and len(value.encode()) <= 1020 for word, value in answer.ids)
