"""The Publish RPC: one result for each event, limits of size, and no check of the payload."""

from schemas.proto import pubsub_api_pb2 as pb
from simulator.faults import rpc_errors
from simulator.org.org import Org

MAX_EVENT_BYTES = 1_000_000  # a larger event fails alone
MAX_REQUEST_BYTES = 4 * 1024 * 1024  # a larger request fails as a whole, by the proxy in front


def publish(org: Org, request: pb.PublishRequest, rpc_id: str) -> pb.PublishResponse:
    """Publish the events in their order; the batch is not atomic. Raises `RpcError`."""
    size = request.ByteSize()
    if size > MAX_REQUEST_BYTES:
        raise rpc_errors.request_too_large(size)
    if not request.topic_name:
        raise rpc_errors.topic_empty()
    schema = org.schemas.get(request.topic_name)
    if schema is None:  # nor can one publish to a channel
        raise rpc_errors.topic_not_found(request.topic_name)
    if not request.events:
        raise rpc_errors.event_count_refused()
    results = [_publish_one(org, request.topic_name, event, schema.schema_id) for event in request.events]
    return pb.PublishResponse(results=results, schema_id=schema.schema_id, rpc_id=rpc_id)


def _publish_one(org: Org, topic: str, event: pb.ProducerEvent, schema_id: str) -> pb.PublishResult:
    event.id = event.id or org.new_id()
    if len(event.payload) > MAX_EVENT_BYTES:
        text = f"The event of {len(event.payload)} bytes is larger than 1 MB."
        return pb.PublishResult(error=pb.Error(code=pb.PUBLISH, msg=text), correlation_key=event.id)
    now_ms = org.clock.now_ms()
    if org.publishes.left(now_ms) == 0:
        text = "LIMIT_EXCEEDED: the hourly event publishing allocation of the org is used up."
        return pb.PublishResult(error=pb.Error(code=pb.PUBLISH, msg=text), correlation_key=event.id)
    org.publishes.spend(1, now_ms)
    event.schema_id = event.schema_id or schema_id
    entry = org.publish_bytes(topic, event.payload, event_uuid=event.id, serialised=event.SerializeToString())
    return pb.PublishResult(replay_id=entry.replay_id, correlation_key=event.id)
