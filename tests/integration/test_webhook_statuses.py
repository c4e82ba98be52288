"""How often a delivery is posted, by the statuses that come back; no Kafka is asked."""

from collections.abc import AsyncIterator

import pytest

from connectors import clock
from connectors.kafka.consumed import ConsumedRecord
from connectors.sinks.engine.port import Done, Outcome, Rejected
from connectors.sinks.http.client import HttpClient, RetryPolicy
from connectors.sinks.http.status import FEW_ATTEMPTS, StatusRules
from connectors.sinks.webhook.signing import signer_of
from connectors.sinks.webhook.sink import WebhookPoster
from schemas.codec import encode
from tests.support.channel import SECRET
from tests.support.scripted_http import Reply, ScriptedServer, scripted_server
from tests.support.sinks import delivery

POLICY = RetryPolicy(retry_max=30, backoff_s=0.001, backoff_max_s=0.001, timeout_s=20.0, hold_max_s=60.0)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server(Reply(200)) as server:
        yield server


async def posted(server: ScriptedServer, rules: StatusRules) -> Outcome:
    """What became of one delivery."""
    poster = WebhookPoster(
        url=server.url,
        signer=signer_of(SECRET),
        statuses=rules,
        receipts_topic="receipts",
        make_client=lambda: HttpClient(policy=POLICY, max_inflight=2, observe=lambda _status, _s: None),
        now_ms=clock.now_ms,
    )
    await poster.open()
    value = encode(delivery("c", 0))
    try:
        return await poster.put(_record(value))
    finally:
        await poster.close()


def _record(value: bytes) -> ConsumedRecord:
    return ConsumedRecord(topic="deliveries", partition=0, offset=0, key=b"c", value=value, headers=(), timestamp_ms=0)


@pytest.mark.parametrize(
    ("statuses", "attempts", "outcome"),
    [
        pytest.param([410], 1, Rejected, id="never again"),
        pytest.param([413], FEW_ATTEMPTS, Rejected, id="about this very request"),
        pytest.param([400, 422, 413, 503, 400, 400, 200], 6, Rejected, id="such answers are counted, others are not"),
        pytest.param([413] * 4 + [200], 5, Done, id="the fifth may bring it"),
        pytest.param([404] * 9 + [200], 10, Done, id="about where the receiver is"),
        pytest.param([500], POLICY.retry_max + 1, Rejected, id="until there were too many"),
    ],
)
async def test_a_status_says_how_often_a_delivery_is_posted(
    server: ScriptedServer, statuses: list[int], attempts: int, outcome: type[Outcome]
) -> None:
    server.script(*map(Reply, statuses))
    assert isinstance(await posted(server, StatusRules()), outcome)
    assert len(server.asked) == attempts
