"""The calls to Salesforce take the same way as the events: the proxy, and the own CA."""

import pytest

from connectors import clock
from schemas.records import CallOutcome, SalesforceCall
from simulator.events import entries
from tests.support.connect_proxy import connect_proxy
from tests.support.simulator import CHANNEL_ADDRESS_ID, END_USER_SUBJECT, running_simulator
from tests.support.sinks import eventually, interaction_task, produce_calls, results, running

pytestmark = pytest.mark.broker


async def test_a_call_to_salesforce_goes_through_the_proxy_to_a_server_with_an_own_ca(kafka, catalogue, tmp_path):
    async with running_simulator(tls_dir=tmp_path) as sim, connect_proxy(("user", "word")) as proxy:
        requested = entries.routing_requested(
            channel_address_id=CHANNEL_ADDRESS_ID,
            conversation_id="cv-1",
            end_user_subject=END_USER_SUBJECT,
            routing_type="Transfer",
            target={"queueId": "00GHs00000Queue1"},
            work_record_id="0MwHs00000XyZ12",
            channel_data={"eventId": "event-1", "conversationId": "cv-1"},
        )
        sim.publish(requested, event_type="RoutingRequested")
        call = SalesforceCall(
            call_id="call-1",
            conversation_id="cv-1",
            org_id=sim.org_id,
            api="routingResult",
            method="POST",
            body='{"workItemId":"0MwHs00000XyZ12","conversationIdentifier":"cv-1","routingType":"Transfer",'
            '"success":true,"externallyRouted":false}',
            request_id="request-1",
            created_at_ms=clock.now_ms(),
        )
        produce_calls(kafka, catalogue, [call])
        keys = {
            "salesforce_ca_file": str(tmp_path / "ca.pem"),
            "salesforce_proxy_url": proxy.url,
            "salesforce_proxy_user": "user",
            "salesforce_proxy_password": "word",
        }
        async with running(interaction_task(kafka.bootstrap_servers, catalogue, sim, **keys)):
            await eventually(lambda: len(results(kafka, catalogue)) == 1, "one result")
        assert results(kafka, catalogue)[0].outcome == CallOutcome.ACCEPTED
        assert len(proxy.tunnels) == 2  # the login and the call
        assert set(proxy.tunnels) == {sim.simulator.http_address}
