"""Hand-joined responses are what the generated classes would have written."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.proto import pubsub_api_pb2 as pb
from simulator.events import protobuf_bytes

EVENTS = st.lists(
    st.tuples(
        st.text(max_size=40), st.text(max_size=30), st.binary(max_size=5000), st.binary(min_size=10, max_size=10)
    ),
    max_size=5,
)


@given(EVENTS, st.binary(min_size=10, max_size=10), st.text(max_size=40), st.integers(0, 100))
def test_the_joined_bytes_parse_back_as_the_response(
    events: list[tuple[str, str, bytes, bytes]], latest: bytes, rpc_id: str, pending: int
) -> None:
    parts = [
        (protobuf_bytes.consumer_event(protobuf_bytes.producer_event(uuid, schema, payload), replay_id),)
        for uuid, schema, payload, replay_id in events
    ]
    joined = protobuf_bytes.fetch_response(parts, latest, rpc_id, pending)
    expected = pb.FetchResponse(
        events=[
            pb.ConsumerEvent(event=pb.ProducerEvent(id=uuid, schema_id=schema, payload=payload), replay_id=replay_id)
            for uuid, schema, payload, replay_id in events
        ],
        latest_replay_id=latest,
        rpc_id=rpc_id,
        pending_num_requested=pending,
    )
    assert pb.FetchResponse.FromString(joined) == expected


@given(st.integers(0, 2**63 - 1))
def test_a_varint_is_protobufs(number: int) -> None:
    written = pb.CommitReplayResponse(process_time=number).SerializeToString()
    assert written == (b"\x20" + protobuf_bytes.varint(number) if number else b"")
