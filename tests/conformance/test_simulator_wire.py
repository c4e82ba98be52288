"""What happens below gRPC: resets without trailers, lost connections, half-open silence, and TLS with an own CA."""

import ssl
import time
from pathlib import Path

import aiohttp
import grpc
import grpc.aio
import pytest

from schemas.proto import pubsub_api_pb2 as pb
from schemas.proto.pubsub_api_pb2_grpc import PubSubStub
from simulator.faults.fault import Cut, GoAway, Reset
from simulator.wire.certificates import tls_identity_in
from simulator.wire.fault_marks import FaultMark, MarkKind, find_mark
from simulator.wire.http2 import FrameReader, FrameType, rst_stream
from tests.support.faulty_org import faulty
from tests.support.pubsub_client import TOPIC, failure_of, fetch, ids, read_events, subscribe, trailers_of
from tests.support.simulator import running_simulator

DEADLINE_S = 10.0
NO_ERROR, INTERNAL_ERROR, ENHANCE_YOUR_CALM = 0, 2, 11


@pytest.mark.parametrize("code", [NO_ERROR, INTERNAL_ERROR, ENHANCE_YOUR_CALM])
async def test_a_stream_is_reset_without_trailers_and_its_sibling_lives(code: int) -> None:
    async with faulty(wire_faults=True) as org:
        published = org.publish(10)
        sibling = await org.open_stream(3)
        await read_events(sibling, 3)
        call = await org.open_stream(4)
        await read_events(call, 4)
        await org.order("reset", after_events=4, http2_error=code)
        error = await failure_of(call)
        assert not {"error-code", "rpc-id"} & set(trailers_of(error))
        assert "rst_stream" in (error.details() or "").lower()
        await sibling.write(fetch(2))
        await read_events(sibling, 2)
        await org.stub.GetTopic(pb.TopicRequest(topic_name=TOPIC), metadata=org.sim.metadata())
        assert ids(await read_events(await org.open_stream(), 10)) == published


async def test_a_unary_call_is_reset() -> None:
    async with faulty(wire_faults=True) as org:
        await org.order("reset", rpc="GetTopic", http2_error=INTERNAL_ERROR)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await org.stub.GetTopic(pb.TopicRequest(topic_name=TOPIC), metadata=org.sim.metadata())
        assert "error-code" not in trailers_of(caught.value)
        for _ in range(3):
            await org.stub.GetTopic(pb.TopicRequest(topic_name=TOPIC), metadata=org.sim.metadata())


@pytest.mark.parametrize("how", [pytest.param("cut", id="tcp reset"), pytest.param("goaway", id="goaway and close")])
async def test_a_connection_is_lost_and_another_one_works(how: str) -> None:
    async with faulty(wire_faults=True) as org:
        published = org.publish(5)
        call = await org.open_stream(2)
        assert ids(await read_events(call, 2)) == published[:2]
        await org.order(how, after_events=2)
        error = await failure_of(call)
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert "error-code" not in trailers_of(error)
        again = org.stub.Subscribe(metadata=org.sim.metadata(), wait_for_ready=True)
        await again.write(fetch(5))
        assert ids(await read_events(again, 5)) == published


async def test_a_half_open_connection_answers_nothing_and_pings_find_it() -> None:
    options = [
        ("grpc.keepalive_time_ms", 300),
        ("grpc.http2.ping_timeout_ms", 300),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    async with faulty(wire_faults=True, keepalive_s=0.05) as org:
        org.publish(2)
        async with grpc.aio.insecure_channel(org.sim.grpc_address, options=options) as channel:
            call = PubSubStub(channel).Subscribe(metadata=org.sim.metadata())  # type: ignore[no-untyped-call]
            await call.write(fetch(100))
            await read_events(call, 2)
            await org.order("black_hole", after_events=0)
            started = time.monotonic()
            error = await failure_of(call)
            assert time.monotonic() - started >= 0.3
        assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL)
        await read_events(await org.open_stream(), 2)
        await org.stub.GetTopic(pb.TopicRequest(topic_name=TOPIC), metadata=org.sim.metadata())
        assert len(org.sim.org.calls.shown()) == 2  # the org has not noticed


def test_frames_are_cut_wherever_the_bytes_are_split() -> None:
    stream = b"preface" + rst_stream(5, 2) + rst_stream(7, 0)
    for size in (1, 2, 9, 13, 50):
        reader = FrameReader(len(b"preface"))
        pieces = [reader.feed(stream[at : at + size]) for at in range(0, len(stream), size)]
        assert b"".join(head for head, _ in pieces) == b"preface"
        frames = [frame for _, frames in pieces for frame in frames]
        assert [(frame.type, frame.stream) for frame in frames] == [
            (FrameType.RST_STREAM, 5),
            (FrameType.RST_STREAM, 7),
        ]
        assert b"".join(frame.raw for frame in frames) == stream[7:]


def test_a_mark_is_found_only_with_its_secret() -> None:
    mark = FaultMark(MarkKind.RESET, 0xFFFFFFFF)
    data = b"before" + mark.encode(b"s" * 16)
    assert find_mark(data, b"s" * 16) == (6, mark)
    assert find_mark(data, b"t" * 16) is None


@pytest.fixture(params=[pytest.param(False, id="gRPC's own TLS"), pytest.param(True, id="TLS at the edge")])
def wire_faults(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def test_a_client_that_trusts_the_ca_is_served_over_tls(tmp_path: Path, wire_faults: bool) -> None:
    async with running_simulator(tls_dir=tmp_path, wire_faults=wire_faults) as sim:
        published = sim.publish_message("cv-1", "one")
        assert sim.http_url.startswith("https://")
        async with grpc.aio.secure_channel(sim.grpc_address, trusting(tmp_path)) as channel:
            call = subscribe(PubSubStub(channel), sim)  # type: ignore[no-untyped-call]
            await call.write(fetch(1))
            assert ids(await read_events(call, 1)) == [published.event_uuid]
        tls = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        async with aiohttp.ClientSession() as http, http.get(f"{sim.http_url}/live", ssl=tls) as response:
            assert response.status == 200


@pytest.mark.parametrize(
    "fault", [Cut(after_events=0), GoAway(after_events=0), Reset(after_events=0)], ids=["cut", "goaway", "reset"]
)
async def test_faults_of_the_wire_happen_under_tls(tmp_path: Path, fault: Cut | GoAway | Reset) -> None:
    async with running_simulator(tls_dir=tmp_path, wire_faults=True) as sim:
        sim.publish_message("cv-1", "one")
        async with grpc.aio.secure_channel(sim.grpc_address, trusting(tmp_path)) as channel:
            stub = PubSubStub(channel)  # type: ignore[no-untyped-call]
            call = subscribe(stub, sim)
            await call.write(fetch(1))
            await read_events(call, 1)
            sim.org.order(fault)
            assert "error-code" not in trailers_of(await failure_of(call))
            again = stub.Subscribe(metadata=sim.metadata(), wait_for_ready=True)
            await again.write(fetch(1))
            await read_events(again, 1)


async def test_a_client_that_does_not_trust_the_ca_is_not_served(tmp_path: Path, wire_faults: bool) -> None:
    async with running_simulator(tls_dir=tmp_path / "a", wire_faults=wire_faults) as sim:
        async with running_simulator(tls_dir=tmp_path / "b"):
            pass
        async with grpc.aio.secure_channel(sim.grpc_address, trusting(tmp_path / "b")) as channel:
            stub = PubSubStub(channel)  # type: ignore[no-untyped-call]
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.GetTopic(pb.TopicRequest(topic_name=TOPIC), metadata=sim.metadata(), timeout=2)
        assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def test_the_certificates_are_made_once_and_the_key_is_for_the_owner_only(tmp_path: Path) -> None:
    def files() -> dict[str, bytes]:
        tls_identity_in(tmp_path, "127.0.0.1", 1_767_225_600_000)
        return {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    first = files()
    assert files() == first
    assert set(first) == {"ca.pem", "server.pem", "server-key.pem"}
    assert (tmp_path / "server-key.pem").stat().st_mode & 0o077 == 0


def trusting(directory: Path) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(root_certificates=(directory / "ca.pem").read_bytes())
