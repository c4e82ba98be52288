"""The Pub/Sub API over gRPC. It moves messages and decides nothing. No other module of `connectors` imports grpc.

One transport is one HTTP/2 connection. A task makes a new one for every stream, so that a dead connection is never used
again. Failed calls raise `RpcError` with the fault that `protocol.faults.classify` makes of trailer and status.
"""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import grpc
import grpc.aio
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # compiled, without types

from connectors.pubsub.protocol.faults import Action, Fault, RpcError, classify
from connectors.pubsub.protocol.messages import ReplayPreset
from connectors.salesforce.network import DIRECT, NetworkSettings
from connectors.salesforce.token_reply import Token
from schemas.proto import pubsub_api_pb2 as pb
from schemas.proto.pubsub_api_pb2_grpc import PubSubStub

# Responses are at most 3 MB; the library's default limit of 4 MB leaves nothing for growth.
_MAX_RESPONSE_BYTES: Final = 16 * 1024 * 1024
_PRESETS: Final = {
    ReplayPreset.LATEST: pb.LATEST,
    ReplayPreset.EARLIEST: pb.EARLIEST,
    ReplayPreset.CUSTOM: pb.CUSTOM,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where and how to connect. `address` is host:port; times are in seconds.

    Pings find a dead connection long before the protocol's watchdog (300 s) does.
    """

    address: str
    tls: bool = True
    network: NetworkSettings = DIRECT
    ping_interval_s: float = 30.0
    ping_timeout_s: float = 15.0
    call_timeout_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """A FetchResponse and its size on the wire."""

    response: pb.FetchResponse
    size_bytes: int


class Transport:
    """A connection to the Pub/Sub API. Belongs to one event loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Connects with the first call."""
        self.endpoint = endpoint
        options: list[tuple[str, int | str]] = [
            ("grpc.max_receive_message_length", _MAX_RESPONSE_BYTES),
            ("grpc.keepalive_time_ms", int(endpoint.ping_interval_s * 1000)),
            ("grpc.keepalive_timeout_ms", int(endpoint.ping_timeout_s * 1000)),
            # the time-out above does not count for pings, whose own default is 60 s (grpcio 1.85)
            ("grpc.http2.ping_timeout_ms", int(endpoint.ping_timeout_s * 1000)),
            ("grpc.http2.max_pings_without_data", 0),  # a quiet topic has no data for minutes
            ("grpc.use_local_subchannel_pool", 1),  # else a new channel reuses the dead connection of the old one
            ("grpc.enable_retries", 0),  # the protocol decides about retries
        ]
        if endpoint.network.proxy is not None:
            options.append(("grpc.http_proxy", endpoint.network.proxy.url_with_credentials))
        if endpoint.tls:
            credentials = grpc.ssl_channel_credentials(root_certificates=endpoint.network.ca)
            self._channel = grpc.aio.secure_channel(endpoint.address, credentials, options=options)
        else:
            self._channel = grpc.aio.insecure_channel(endpoint.address, options=options)
        self._stub: Any = PubSubStub(self._channel)  # type: ignore[no-untyped-call]  # generated without types
        self._subscribe: Any = self._channel.stream_stream(  # not the stub's: it would lose the size of a response
            "/eventbus.v1.PubSub/Subscribe",
            request_serializer=pb.FetchRequest.SerializeToString,
            response_deserializer=_fetched,
        )

    async def topic(self, token: Token, topic: str) -> pb.TopicInfo:
        """What GetTopic says of a topic. Raises `RpcError`."""
        doing = f"looking up {topic} at {self.endpoint.address}"
        info: pb.TopicInfo = await self._unary(self._stub.GetTopic, pb.TopicRequest(topic_name=topic), token, doing)
        return info

    async def schema(self, token: Token, schema_id: str) -> str:
        """The Avro schema JSON of `schema_id`. Raises `RpcError`."""
        doing = f"fetching schema {schema_id} from {self.endpoint.address}"
        info = await self._unary(
            self._stub.GetSchema, pb.SchemaRequest(schema_id=schema_id), token, doing, about_one_event=True
        )
        return str(info.schema_json)

    def subscribe(self, token: Token, topic: str) -> "SubscribeStream":
        """A Subscribe call. Nothing is sent before the first `fetch`."""
        call = self._subscribe(metadata=_metadata(token))
        return SubscribeStream(call, topic, f"subscribing to {topic} at {self.endpoint.address}")

    async def close(self) -> None:
        """Close the connection; calls on it end."""
        await self._channel.close(None)

    async def _unary(self, method: Any, request: Any, token: Token, doing: str, about_one_event: bool = False) -> Any:
        with _rpc_errors(doing, about_one_event=about_one_event):
            return await method(request, timeout=self.endpoint.call_timeout_s, metadata=_metadata(token))


class SubscribeStream:
    """One Subscribe call. One reader and one writer may use it at a time."""

    def __init__(self, call: Any, topic: str, doing: str) -> None:
        """`call` is grpc's object; `doing` begins the sentence of an error."""
        self._call = call
        self._topic = topic
        self._doing = doing

    async def open(self, preset: ReplayPreset, replay_id: bytes | None, num_requested: int) -> None:
        """Send the first request. Raises `RpcError`."""
        await self._write(
            pb.FetchRequest(
                topic_name=self._topic,
                replay_preset=_PRESETS[preset],
                replay_id=replay_id or b"",
                num_requested=num_requested,
            )
        )

    async def fetch(self, num_requested: int) -> None:
        """Ask for more events. On a stream that has ended this does nothing: the reader gets the reason."""
        if self._call.done():
            return
        request = pb.FetchRequest(num_requested=num_requested).SerializeToString()
        # Not write(): when the server has just ended the stream it puts a status of its own in the place of the
        # server's, trailers and all (grpcio 1.85), and a used-up allocation would look like any outage.
        with suppress(cygrpc.InternalError):
            await self._call._cython_call.send_serialized_message(request)  # noqa: SLF001 - nothing public does it

    async def read(self) -> Fetched | None:
        """The next response, or None when the server ended the stream in order. Raises `RpcError`."""
        with _rpc_errors(self._doing):
            fetched: Any = await self._call.read()
        if fetched is grpc.aio.EOF:
            return None
        found: Fetched = fetched
        return found

    async def _write(self, request: pb.FetchRequest) -> None:
        with _rpc_errors(self._doing):
            await self._call.write(request)

    async def close(self) -> None:
        """Cancel the call. The reader gets an `RpcError`, unless the call has ended before."""
        self._call.cancel()


def _fetched(data: bytes) -> Fetched:
    return Fetched(pb.FetchResponse.FromString(data), len(data))


def _metadata(token: Token) -> tuple[tuple[str, str], ...]:
    return (
        ("accesstoken", token.access_token),
        ("instanceurl", token.instance_url),
        ("tenantid", token.org_id),
        ("x-client-trace-id", str(uuid.uuid4())),
    )


@contextmanager
def _rpc_errors(doing: str, *, about_one_event: bool = False) -> Iterator[None]:
    """Translate what a call raises: no error of grpc leaves this module."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise RpcError(_fault(error, doing, about_one_event=about_one_event)) from error
    except asyncio.CancelledError:
        # grpc raises this also when the connection is closed under the call; only our own cancellation may pass
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise RpcError(
            Fault(action=Action.RETRY, what=f"{doing}: the call was cancelled", status="CANCELLED")
        ) from None
    except asyncio.InvalidStateError:  # a write after the end: the reader gets the reason
        raise RpcError(Fault(action=Action.RETRY, what=f"{doing}: the stream is closed")) from None


def _fault(error: grpc.aio.AioRpcError, doing: str, *, about_one_event: bool = False) -> Fault:
    trailers = {str(key): value for key, value in error.trailing_metadata() or ()}
    return classify(
        code=_text(trailers.get("error-code")),
        status=error.code().name,
        details=error.details() or "",
        doing=doing,
        rpc_id=_text(trailers.get("rpc-id")),
        about_one_event=about_one_event,
    )


def _text(value: str | bytes | None) -> str | None:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
