import pytest

from connectors.sinks.interaction.answers import Meaning, ServiceAnswer, meaning, parse


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        pytest.param(202, b'{"success":true}', Meaning.ACCEPTED, id="accepted"),
        pytest.param(202, b"", Meaning.ACCEPTED, id="2xx without a body is acceptance"),
        pytest.param(202, b"<html>", Meaning.ACCEPTED, id="2xx with another body is acceptance"),
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
