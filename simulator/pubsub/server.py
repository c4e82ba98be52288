"""The Pub/Sub API over gRPC. The only importer of grpc here."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import grpc
import grpc.aio

from schemas.proto import pubsub_api_pb2 as pb
from simulator.org import Org
from simulator.pubsub import failures
from simulator.pubsub.authorization import authorize
from simulator.pubsub.failures import RpcError
from simulator.pubsub.publishing import publish
from simulator.pubsub.stream import SubscribeStream
from simulator.pubsub.subscription import Subscription
from simulator.seeded import seeded

SERVICE = "eventbus.v1.PubSub"
_MAX_RECEIVED_BYTES = 16 * 1024 * 1024  # above the API's own 4 MB, so that the API's answer is given and not gRPC's

log = logging.getLogger(__name__)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"  # only the type stubs know the parameters


class PortInUseError(OSError):
    """The address cannot be listened on."""


class PubSubServer:
    """Serves one org. `start` returns the bound port; `stop` cuts the open streams."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._server: grpc.aio.Server | None = None
        self._streams = 0

    async def start(self, host: str, port: int) -> int:
        """Raises `PortInUseError`."""
        # Without so_reuseport=0 two servers share a port, and half of the calls end at the other one.
        server = grpc.aio.server(
            options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", _MAX_RECEIVED_BYTES)]
        )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, self._handlers()),))
        try:
            bound = server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise PortInUseError(f"listening on {host}:{port} for gRPC: the address is in use or not ours") from error
        await server.start()
        self._server = server
        return bound

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(grace=None)

    def _handlers(self) -> "dict[str, grpc.RpcMethodHandler[Any, Any]]":
        """What is not listed is answered with UNIMPLEMENTED by gRPC itself."""
        return {
            "GetTopic": grpc.unary_unary_rpc_method_handler(
                self._unary("GetTopic", self._get_topic),
                request_deserializer=pb.TopicRequest.FromString,
                response_serializer=pb.TopicInfo.SerializeToString,
            ),
            "GetSchema": grpc.unary_unary_rpc_method_handler(
                self._unary("GetSchema", self._get_schema),
                request_deserializer=pb.SchemaRequest.FromString,
                response_serializer=pb.SchemaInfo.SerializeToString,
            ),
            "Publish": grpc.unary_unary_rpc_method_handler(
                self._unary("Publish", self._publish),
                request_deserializer=pb.PublishRequest.FromString,
                response_serializer=pb.PublishResponse.SerializeToString,
            ),
            # No serializer: the responses are bytes already.
            "Subscribe": grpc.stream_stream_rpc_method_handler(
                self._subscribe, request_deserializer=pb.FetchRequest.FromString
            ),
        }

    def _get_topic(self, request: pb.TopicRequest, rpc_id: str) -> pb.TopicInfo:
        if not request.topic_name:
            raise failures.topic_empty()
        schema = self._org.schemas.get(request.topic_name)
        if schema is None:
            raise failures.topic_not_found(request.topic_name)
        return pb.TopicInfo(
            topic_name=request.topic_name,
            tenant_guid=f"core/simulator/{self._org.settings.org_id}",
            can_publish=True,
            can_subscribe=True,
            schema_id=schema.schema_id,
            rpc_id=rpc_id,
        )

    def _get_schema(self, request: pb.SchemaRequest, rpc_id: str) -> pb.SchemaInfo:
        schema = self._org.schema_by_id(request.schema_id)
        if schema is None:
            raise failures.schema_id_refused(request.schema_id)
        return pb.SchemaInfo(schema_json=schema.schema_json, schema_id=schema.schema_id, rpc_id=rpc_id)

    def _publish(self, request: pb.PublishRequest, rpc_id: str) -> pb.PublishResponse:
        return publish(self._org, request, rpc_id)

    def _unary(self, method: str, answer: Callable[[Any, str], Any]) -> Callable[[Any, Context], Awaitable[Any]]:
        async def handle(request: Any, context: Context) -> Any:
            rpc_id = self._org.new_id()
            try:
                self._authorize(context)
                return answer(request, rpc_id)
            except RpcError as failure:
                await self._abort(context, failure, method, rpc_id)

        return handle

    async def _subscribe(self, requests: AsyncIterator[pb.FetchRequest], context: Context) -> None:
        rpc_id = self._org.new_id()
        self._streams += 1
        settings = self._org.settings
        subscription = Subscription(
            self._org.log,
            rpc_id=rpc_id,
            rng=seeded(settings.seed, f"stream {self._streams}"),
            split_share=settings.split_share,
        )
        log.info("subscribe opened", extra={"rpc_id": rpc_id})
        try:
            self._authorize(context)
            await SubscribeStream(self._org, subscription).run(requests, context.write)
        except RpcError as failure:
            await self._abort(context, failure, "Subscribe", rpc_id)

    def _authorize(self, context: Context) -> None:
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        authorize(metadata, self._org.tokens, self._org.settings.org_id)

    async def _abort(self, context: Context, failure: RpcError, method: str, rpc_id: str) -> None:
        log.info("rpc failed", extra={"rpc_id": rpc_id, "method": method, "error_code": failure.error_code})
        trailers: tuple[tuple[str, str], ...] = ()
        if failure.error_code is not None:
            trailers = (
                ("error-code", failures.PREFIX + failure.error_code),
                ("rpc-id", rpc_id),
                ("type", method),
            )
        status = grpc.StatusCode[failure.status.value]
        await context.abort(status, f"{failure.text} rpcId: {rpc_id}", trailing_metadata=trailers)
