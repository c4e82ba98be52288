"""The transport against a gRPC server that ends calls in every way that was seen: each becomes the right fault."""

import asyncio
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest

from connectors.pubsub.protocol.faults import CODE_PREFIX, Action, RpcError
from connectors.pubsub.protocol.messages import ReplayPreset
from connectors.pubsub.runner.transport import Endpoint, SubscribeStream, Transport
from connectors.salesforce.token_reply import Token
from schemas.proto import pubsub_api_pb2 as pb
from schemas.proto.pubsub_api_pb2_grpc import PubSubServicer, add_PubSubServicer_to_server
from tests.support.faulty_org import faulty

TOKEN = Token(access_token="the-token", instance_url="https://org.my.salesforce.com", org_id="00DHs000000DemoMAC")
TOPIC = "/event/X__e"


class Scripted(PubSubServicer):
    """Sends one response, then ends the stream as it is told to; None is an end in order."""

    def __init__(self, status, trailers=()):
        self.status = status
        self.trailers = trailers
        self.metadata = []
        self.requests = []

    async def Subscribe(self, request_iterator, context):  # noqa: N802
        self.metadata.append(dict(context.invocation_metadata()))
        self.requests.append(await anext(aiter(request_iterator)))
        yield pb.FetchResponse(latest_replay_id=b"k", pending_num_requested=100)
        if self.status is not None:
            await context.abort(self.status, "it broke. rpcId: r-1", self.trailers)

    async def GetTopic(self, request, context):  # noqa: N802
        await context.abort(self.status, "it broke. rpcId: r-1", self.trailers)


@asynccontextmanager
async def connected(servicer):
    server = grpc.aio.server()
    add_PubSubServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    transport = Transport(Endpoint(address=f"127.0.0.1:{port}", tls=False))
    try:
        yield transport
    finally:
        await transport.close()
        await server.stop(None)


ENDINGS = [
    pytest.param(grpc.StatusCode.INTERNAL, "service.unavailable", Action.RETRY, id="an outage that comes as INTERNAL"),
    pytest.param(grpc.StatusCode.UNAUTHENTICATED, "service.auth.error", Action.REFRESH_TOKEN, id="token refused"),
    pytest.param(
        grpc.StatusCode.INVALID_ARGUMENT, "subscription.fetch.replayid.corrupted", Action.REPLAY_LOST, id="lost id"
    ),
    pytest.param(grpc.StatusCode.UNAVAILABLE, None, Action.RETRY, id="no trailers"),
    pytest.param(grpc.StatusCode.CANCELLED, None, Action.RETRY, id="cancelled by the server, not by us"),
]


@pytest.mark.parametrize(("status", "code", "action"), ENDINGS)
async def test_the_way_a_stream_ends_becomes_a_fault(status, code, action):
    trailers = (("error-code", CODE_PREFIX + code), ("rpc-id", "r-1")) if code else ()
    async with connected(Scripted(status, trailers)) as transport:
        stream = transport.subscribe(TOKEN, TOPIC)
        await stream.open(ReplayPreset.EARLIEST, None, 100)
        assert (await stream.read()).response.latest_replay_id == b"k"
        with pytest.raises(RpcError) as caught:
            await asyncio.wait_for(stream.read(), 10)
    assert caught.value.fault.action is action
    assert caught.value.fault.code == code
    assert "the-token" not in str(caught.value)


@pytest.mark.parametrize(("status", "code", "action"), ENDINGS)
async def test_a_single_call_that_fails_becomes_the_same_fault(status, code, action):
    trailers = (("error-code", CODE_PREFIX + code),) if code else ()
    async with connected(Scripted(status, trailers)) as transport:
        with pytest.raises(RpcError) as caught:
            await asyncio.wait_for(transport.topic(TOKEN, TOPIC), 10)
    assert caught.value.fault.action is action


async def test_a_stream_that_ends_in_order_reads_as_none():
    async with connected(Scripted(None)) as transport:
        stream = transport.subscribe(TOKEN, TOPIC)
        await stream.open(ReplayPreset.EARLIEST, None, 100)
        await stream.read()
        assert await asyncio.wait_for(stream.read(), 10) is None


async def test_our_own_cancellation_stays_one():
    async with connected(Scripted(None)) as transport:
        stream = transport.subscribe(TOKEN, TOPIC)
        reading = asyncio.create_task(stream.read())  # nothing was asked for: it waits
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await stream.close()


async def test_the_three_headers_a_trace_id_and_the_numbers_of_the_preset_go_over_the_wire():
    servicer = Scripted(None)
    async with connected(servicer) as transport:
        stream = transport.subscribe(TOKEN, TOPIC)
        await stream.open(ReplayPreset.CUSTOM, b"\x00\x01", 42)
        await stream.read()
    (metadata,), (request,) = servicer.metadata, servicer.requests
    assert metadata["accesstoken"] == "the-token"
    assert metadata["instanceurl"] == "https://org.my.salesforce.com"
    assert metadata["tenantid"] == "00DHs000000DemoMAC"
    assert metadata["x-client-trace-id"]
    assert request == pb.FetchRequest(topic_name=TOPIC, replay_preset=2, replay_id=b"\x00\x01", num_requested=42)


class Ending(PubSubServicer):
    """Answers the first request and ends the stream with a code, while more requests are on their way."""

    async def Subscribe(self, request_iterator, context):  # noqa: N802
        await anext(aiter(request_iterator))
        yield pb.FetchResponse(latest_replay_id=b"k", pending_num_requested=100)
        trailers = (("error-code", CODE_PREFIX + "subscription.limit.exceeded"),)
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "used up", trailers)


async def test_a_request_that_crosses_the_end_of_its_stream_does_not_hide_the_reason():
    async def ask_on(stream: SubscribeStream) -> None:
        while True:
            await stream.fetch(1)
            await asyncio.sleep(0)

    async with connected(Ending()) as transport:
        for _ in range(30):
            stream = transport.subscribe(TOKEN, TOPIC)
            await stream.open(ReplayPreset.EARLIEST, None, 100)
            asking = asyncio.create_task(ask_on(stream))
            with pytest.raises(RpcError) as caught:
                await asyncio.wait_for(read_on(stream), 10)
            assert caught.value.fault.code == "subscription.limit.exceeded"
            assert not asking.done()
            asking.cancel()


async def read_on(stream: SubscribeStream) -> None:
    while await stream.read():
        pass


async def test_a_connection_that_goes_dark_is_noticed_within_the_ping_time_out():
    async with faulty(wire_faults=True, keepalive_s=0.05) as org:
        org.publish(2)
        sent = dict(org.sim.metadata())
        token = Token(access_token=sent["accesstoken"], instance_url=sent["instanceurl"], org_id=sent["tenantid"])
        endpoint = Endpoint(address=org.sim.grpc_address, tls=False, ping_interval_s=0.3, ping_timeout_s=0.3)
        transport = Transport(endpoint)
        try:
            stream = transport.subscribe(token, org.sim.topic)
            await stream.open(ReplayPreset.EARLIEST, None, 100)
            await stream.read()
            await org.order("black_hole", after_events=0)
            with pytest.raises(RpcError):
                await asyncio.wait_for(read_on(stream), 15)  # grpc's own time-out is 60 s
        finally:
            await transport.close()
