"""A client in the manner of the public samples: blocking gRPC over TLS, a request generator with a semaphore, a login
by SOAP or OAuth, Avro decoded by the schema of GetSchema. Only the address and the credentials are the simulator's."""

import asyncio
import io
import json
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlparse
from xml.etree import ElementTree

import fastavro
import grpc
import pytest

from schemas.proto import pubsub_api_pb2 as pb
from schemas.proto.pubsub_api_pb2_grpc import PubSubStub
from tests.support.pubsub_client import TOPIC
from tests.support.simulator import RunningSimulator, running_simulator

Session = tuple[str, str, str]
"""Access token, instance URL, tenant id."""


class SampleClient:
    """What the samples do, with their order of calls."""

    def __init__(self, address: str, ca: Path, session: Session) -> None:
        credentials = grpc.ssl_channel_credentials(ca.read_bytes())
        self._channel = grpc.secure_channel(address, credentials)
        self._stub = PubSubStub(self._channel)  # type: ignore[no-untyped-call]  # generated without types
        token, instance_url, tenant_id = session
        self._metadata = (("accesstoken", token), ("instanceurl", instance_url), ("tenantid", tenant_id))
        self._semaphore = threading.Semaphore(1)
        self._schemas: dict[str, Any] = {}

    def __enter__(self) -> "SampleClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def _requests(self, topic: str, num_requested: int) -> Iterator[pb.FetchRequest]:
        while True:
            self._semaphore.acquire()
            yield pb.FetchRequest(topic_name=topic, replay_preset=pb.EARLIEST, num_requested=num_requested)

    def decode(self, schema_id: str, payload: bytes) -> dict[str, Any]:
        if schema_id not in self._schemas:
            info = self._stub.GetSchema(pb.SchemaRequest(schema_id=schema_id), metadata=self._metadata)
            self._schemas[schema_id] = fastavro.parse_schema(json.loads(info.schema_json))
        record: Any = fastavro.schemaless_reader(io.BytesIO(payload), self._schemas[schema_id], None)
        return dict(record)

    def subscribe(self, topic: str, count: int, num_requested: int) -> list[dict[str, Any]]:
        """The first so many events; asks for more whenever nothing is pending."""
        stream = self._stub.Subscribe(self._requests(topic, num_requested), metadata=self._metadata, timeout=20)
        records: list[dict[str, Any]] = []
        for response in stream:
            records += [self.decode(event.event.schema_id, event.event.payload) for event in response.events]
            if len(records) >= count:
                stream.cancel()
                return records
            if response.pending_num_requested == 0:
                self._semaphore.release()
        return records

    def publish(self, topic: str, record: dict[str, Any]) -> pb.PublishResult:
        info = self._stub.GetTopic(pb.TopicRequest(topic_name=topic), metadata=self._metadata)
        schema = self._stub.GetSchema(pb.SchemaRequest(schema_id=info.schema_id), metadata=self._metadata)
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(schema.schema_json)), record)
        event = pb.ProducerEvent(id="mine", schema_id=info.schema_id, payload=out.getvalue())
        response = self._stub.Publish(pb.PublishRequest(topic_name=topic, events=[event]), metadata=self._metadata)
        result: pb.PublishResult = response.results[0]
        return result


def fetched(request: urllib.request.Request, ca: Path) -> str:
    with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=ca)) as response:
        return str(response.read().decode())


def by_soap(sim: RunningSimulator, ca: Path) -> Session:
    body = (
        "<soapenv:Envelope xmlns:soapenv='http://schemas.xmlsoap.org/soap/envelope/'"
        " xmlns:urn='urn:partner.soap.sforce.com'><soapenv:Body><urn:login>"
        f"<urn:username>{sim.settings.username}</urn:username><urn:password>{sim.settings.password}</urn:password>"
        "</urn:login></soapenv:Body></soapenv:Envelope>"
    )
    headers = {"content-type": "text/xml", "SOAPAction": "login"}
    request = urllib.request.Request(f"{sim.http_url}/services/Soap/u/59.0/", body.encode(), headers)
    result = ElementTree.fromstring(fetched(request, ca))[0][0][0]
    url = urlparse(str(result[3].text))
    return str(result[4].text), f"{url.scheme}://{url.netloc}", str(result[6][8].text)


def by_oauth(sim: RunningSimulator, ca: Path) -> Session:
    form = {
        "grant_type": "password",
        "client_id": sim.client_id,
        "client_secret": sim.client_secret,
        "username": sim.settings.username,
        "password": sim.settings.password,
    }
    token = json.loads(
        fetched(urllib.request.Request(f"{sim.http_url}/services/oauth2/token", urlencode(form).encode()), ca)
    )
    bearer = {"Authorization": f"Bearer {token['access_token']}"}
    request = urllib.request.Request(f"{token['instance_url']}/services/oauth2/userinfo", headers=bearer)
    return token["access_token"], token["instance_url"], json.loads(fetched(request, ca))["organization_id"]


@pytest.mark.parametrize("login", [pytest.param(by_soap, id="SOAP login"), pytest.param(by_oauth, id="OAuth password")])
async def test_a_sample_subscribes_and_publishes_over_tls(
    login: Callable[[RunningSimulator, Path], Session], tmp_path: Path
) -> None:
    async with running_simulator(tls_dir=tmp_path) as sim:
        for n in range(23):
            sim.publish_message("cv-1", f"text {n}")
        ca = tmp_path / "ca.pem"

        def sample() -> tuple[list[dict[str, Any]], pb.PublishResult]:
            with SampleClient(sim.grpc_address, ca, login(sim, ca)) as client:
                records = client.subscribe(TOPIC, 23, num_requested=5)
                return records, client.publish(TOPIC, records[0])

        records, result = await asyncio.wait_for(asyncio.to_thread(sample), 30)
        texts = [json.loads(record["EventPayload__c"])["payload"]["entryPayload"] for record in records]
        ledger = sim.org.ledger.page(0, 100)
    assert [text["abstractMessage"]["staticContent"]["text"] for text in texts] == [f"text {n}" for n in range(23)]
    assert result.correlation_key == "mine"
    assert (ledger[-1].event_uuid, ledger[-1].replay_id) == ("mine", result.replay_id)
    assert ledger[-1].conversation_id == "cv-1"
