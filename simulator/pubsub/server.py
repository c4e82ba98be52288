"""The Pub/Sub API over gRPC. The only importer of grpc here."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc
import grpc.aio

from schemas.proto import pubsub_api_pb2 as pb
from simulator.events.seeded import SeededRandom, seeded
from simulator.faults import rpc_errors
from simulator.faults.rpc_errors import RpcError
from simulator.org.open_calls import Call
from simulator.org.org import Org
from simulator.pubsub.authorization import authorize
from simulator.pubsub.call_faults import CallFaults, WireFault
from simulator.pubsub.managed_stream import ManagedStream
from simulator.pubsub.publish_stream import PublishStream
from simulator.pubsub.publishing import publish
from simulator.pubsub.subscribe_stream import SubscribeStream
from simulator.pubsub.subscription import Subscription
from simulator.wire.certificates import TlsIdentity
from simulator.wire.errors import PortInUseError

SERVICE = "eventbus.v1.PubSub"
_MAX_RECEIVED_BYTES = 16 * 1024 * 1024  # above the API's own 4 MB, so that the API's answer is given and not gRPC's

log = logging.getLogger(__name__)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"  # only the type stubs know the parameters
Serve: TypeAlias = Callable[[Any, Context, Call], Awaitable[None]]


class PubSubServer:
    """Serves one org over gRPC. `start` and `stop` can be repeated."""

    def __init__(self, org: Org) -> None:
        """Serve nothing yet."""
        self._org = org
        self._server: grpc.aio.Server | None = None
        self._streams = 0
        self.mark_secret = secrets.token_bytes(16)  # no client can guess it; the fault proxy looks for it

    async def start(self, host: str, port: int, identity: TlsIdentity | None = None) -> int:
        """With an identity over TLS, else in plain text. Raises `PortInUseError`."""
        # Without so_reuseport=0 two servers share a port, and half of the calls end at the other one.
        server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", _MAX_RECEIVED_BYTES),
                # Clients ping quiet streams every 30 s and more; no limit of the service is known.
                ("grpc.http2.min_ping_interval_without_data_ms", 1000),
                ("grpc.http2.max_ping_strikes", 0),
            ]
        )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, self._handlers()),))
        try:
            if identity is None:
                bound = server.add_insecure_port(f"{host}:{port}")
            else:
                credentials = grpc.ssl_server_credentials([(identity.key_pem, identity.certificate_pem)])
                bound = server.add_secure_port(f"{host}:{port}", credentials)
        except RuntimeError as error:
            raise PortInUseError(f"listening on {host}:{port} for gRPC: the address is in use or not ours") from error
        await server.start()
        self._server = server
        return bound

    async def stop(self) -> None:
        """End the open calls at once and stop listening. Does nothing when it never started."""
        if self._server is not None:
            await self._server.stop(grace=None)

    def _handlers(self) -> "dict[str, grpc.RpcMethodHandler[Any, Any]]":
        unary = grpc.unary_unary_rpc_method_handler
        stream = grpc.stream_stream_rpc_method_handler
        return {
            "GetTopic": unary(
                self._unary("GetTopic", self._get_topic),
                request_deserializer=pb.TopicRequest.FromString,
                response_serializer=_serialised,
            ),
            "GetSchema": unary(
                self._unary("GetSchema", self._get_schema),
                request_deserializer=pb.SchemaRequest.FromString,
                response_serializer=_serialised,
            ),
            "Publish": unary(
                self._unary("Publish", self._publish),
                request_deserializer=pb.PublishRequest.FromString,
                response_serializer=_serialised,
            ),
            # No serializer: the responses are bytes already.
            "Subscribe": stream(
                self._stream("Subscribe", self._subscribe), request_deserializer=pb.FetchRequest.FromString
            ),
            "ManagedSubscribe": stream(
                self._stream("ManagedSubscribe", self._managed_subscribe),
                request_deserializer=pb.ManagedFetchRequest.FromString,
            ),
            "PublishStream": stream(
                self._stream("PublishStream", self._publish_stream),
                request_deserializer=pb.PublishRequest.FromString,
            ),
        }

    def _get_topic(self, request: pb.TopicRequest, rpc_id: str) -> pb.TopicInfo:
        if not request.topic_name:
            raise rpc_errors.topic_empty()
        if request.topic_name not in self._org.schemas:
            raise rpc_errors.topic_not_found(request.topic_name)
        schema = self._org.schemas[request.topic_name]
        return pb.TopicInfo(
            topic_name=request.topic_name,
            tenant_guid=f"core/simulator/{self._org.settings.org_id}",
            can_publish=schema is not None and request.topic_name.startswith("/event/"),
            can_subscribe=True,
            schema_id=schema.schema_id if schema is not None else "",
            rpc_id=rpc_id,
        )

    def _get_schema(self, request: pb.SchemaRequest, rpc_id: str) -> pb.SchemaInfo:
        schema = self._org.schema_by_id(request.schema_id)
        if schema is None:
            raise rpc_errors.schema_id_refused(request.schema_id)
        return pb.SchemaInfo(schema_json=schema.schema_json, schema_id=schema.schema_id, rpc_id=rpc_id)

    def _publish(self, request: pb.PublishRequest, rpc_id: str) -> pb.PublishResponse:
        return publish(self._org, request, rpc_id)

    def _unary(self, method: str, answer: Callable[[Any, str], Any]) -> Callable[[Any, Context], Awaitable[Any]]:
        async def handle(request: Any, context: Context) -> Any:
            call = self._open(method, context)
            faults = CallFaults(call, self._org.faults)
            try:
                self._authorize(context)
                await faults.begin(getattr(request, "topic_name", None) or None)
                await faults.before_response()
                return answer(request, call.rpc_id)
            except RpcError as failure:
                await self._abort(context, failure, call)
            except WireFault as fault:
                return fault.mark.encode(self.mark_secret)
            finally:
                self._org.calls.remove(call)

        return handle

    def _stream(self, method: str, serve: Serve) -> Callable[[Any, Context], Awaitable[None]]:
        async def handle(requests: Any, context: Context) -> None:
            call = self._open(method, context)
            log.info("stream opened", extra={"rpc_id": call.rpc_id, "method": method})
            try:
                self._authorize(context)
                await serve(requests, context, call)
            except RpcError as failure:
                await self._abort(context, failure, call)
            except WireFault as fault:
                await context.write(fault.mark.encode(self.mark_secret))
                await asyncio.Event().wait()  # the fault proxy ends the call
            finally:
                self._org.calls.remove(call)

        return handle

    async def _subscribe(self, requests: Any, context: Context, call: Call) -> None:
        settings = self._org.settings
        subscription = Subscription(
            self._org.log,
            rpc_id=call.rpc_id,
            rng=self._stream_rng(),
            split_share=settings.split_share,
            settle_ms=int(settings.latest_settle_s * 1000),
        )
        await SubscribeStream(self._org, subscription, call).run(requests, context.write)

    async def _managed_subscribe(self, requests: Any, context: Context, call: Call) -> None:
        settings = self._org.settings
        managed = ManagedStream(
            self._org.log,
            self._org.managed,
            rpc_id=call.rpc_id,
            rng=self._stream_rng(),
            split_share=settings.split_share,
            commit_timeout_s=settings.managed_commit_timeout_s,
            release_ms=int(settings.managed_release_s * 1000),
        )
        await SubscribeStream(self._org, managed, call).run(requests, context.write)

    async def _publish_stream(self, requests: Any, context: Context, call: Call) -> None:
        await PublishStream(self._org, call, context.write).run(requests)

    def _stream_rng(self) -> SeededRandom:
        self._streams += 1
        return seeded(self._org.settings.seed, f"stream {self._streams}")

    def _open(self, method: str, context: Context) -> Call:
        token = _metadata(context).get("accesstoken", "")
        call = Call(
            method,
            self._org.new_id(),
            token=token,
            owner=self._org.tokens.owner(token),
            peer=context.peer(),
        )
        self._org.calls.add(call)
        return call

    def _authorize(self, context: Context) -> None:
        authorize(_metadata(context), self._org.tokens, self._org.settings.org_id)

    async def _abort(self, context: Context, failure: RpcError, call: Call) -> None:
        log.info("rpc failed", extra={"rpc_id": call.rpc_id, "method": call.rpc, "error_code": failure.error_code})
        trailers: tuple[tuple[str, str], ...] = ()
        if failure.error_code is not None:
            trailers = (
                ("error-code", rpc_errors.PREFIX + failure.error_code),
                ("rpc-id", call.rpc_id),
                ("type", call.rpc),
            )
        status = grpc.StatusCode[failure.status.value]
        text = f"{failure.text} rpcId: {call.rpc_id}" if failure.error_code is not None else failure.text
        await context.abort(status, text, trailing_metadata=trailers)


def _serialised(response: Any) -> bytes:
    """Return the bytes of a response; a mark for the fault proxy is bytes already."""
    return response if isinstance(response, bytes) else bytes(response.SerializeToString())


def _metadata(context: Context) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
