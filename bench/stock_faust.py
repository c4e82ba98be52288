"""The same domain work on Faust as it comes: `python -m bench.stock_faust`.

Faust's own transport (aiokafka), tables, changelogs and commits, at-least-once, memory store, default settings; the
same codecs, the same core, the same topics. No timers: they are not due in the benchmark.
"""

from typing import Any

import click
import faust
import msgspec

from schemas import records
from schemas.codec.wire import codec_for
from schemas.topics import STATE_TABLES, Topics
from streams import clock
from streams.core.apply import apply
from streams.core.model.keys import routing_key
from streams.core.model.rules import Rules
from streams.core.model.state import Conversation, RoutingRequest, Seen
from streams.core.model.step import CONVERSATIONS, ROUTING, SEEN, Step

_OUTPUTS: dict[Any, str] = {
    records.Delivery: "deliveries",
    records.RoutingTask: "routing_requests",
    records.RoutingOutcome: "routing_outcomes",
    records.SalesforceCall: "salesforce_calls",
}


class StockTables:
    """Faust tables of raw bytes as the core's state."""

    def __init__(self, app: Any, partitions: int) -> None:
        """`app` gets one Faust table for each state table."""
        self._tables = {
            name: app.Table(name, partitions=partitions, key_type=bytes, value_type=bytes) for name in STATE_TABLES
        }
        self._encode = msgspec.msgpack.Encoder().encode
        self._conversation = msgspec.msgpack.Decoder(Conversation).decode
        self._request = msgspec.msgpack.Decoder(RoutingRequest).decode
        self._seen = msgspec.msgpack.Decoder(Seen).decode

    def conversation(self, conversation_id: str) -> Conversation | None:
        """The stored conversation, decoded."""
        found = self._tables[CONVERSATIONS].get(conversation_id.encode())
        return None if found is None else self._conversation(found)

    def request(self, conversation_id: str, request_id: str) -> RoutingRequest | None:
        """The stored routing request, decoded."""
        found = self._tables[ROUTING].get(routing_key(conversation_id, request_id).encode())
        return None if found is None else self._request(found)

    def seen(self, key: str) -> Seen | None:
        """The remembered entry under this key, decoded."""
        found = self._tables[SEEN].get(key.encode())
        return None if found is None else self._seen(found)

    def write(self, step: Step) -> None:
        """Apply the changes; Faust sends each to the changelog."""
        if step.conversation is not None:
            self._tables[CONVERSATIONS][step.conversation.key.encode()] = self._encode(step.conversation)
        for request in step.requests:
            self._tables[ROUTING][request.key.encode()] = self._encode(request)
        for key, seen in step.seen:
            self._tables[SEEN][key.encode()] = self._encode(seen)
        for table, key in step.dropped:
            self._tables[table].pop(key.encode(), None)


def create_app(bootstrap_servers: str, topics: Topics, partitions: int, data_dir: str) -> Any:
    """The app with its one agent."""
    app = faust.App(
        topics.app_id,
        broker=f"kafka://{bootstrap_servers}",
        store="memory://",
        processing_guarantee="at_least_once",
        topic_partitions=partitions,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
        datadir=data_dir,
    )

    def raw_topic(name: str) -> Any:
        return app.topic(
            name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", partitions=partitions
        )

    tables, rules = StockTables(app, partitions), Rules()
    read = codec_for(records.OutboundEvent).decode
    outputs = {kind: (raw_topic(getattr(topics, name)), codec_for(kind).encode) for kind, name in _OUTPUTS.items()}

    @app.agent(raw_topic(topics.events))  # type: ignore[untyped-decorator]  # faust has no types
    async def process(stream: Any) -> None:
        async for value in stream:
            step = apply(tables, read(value), clock.now_ms(), rules)
            tables.write(step)
            for output in step.outputs:
                topic, write = outputs[type(output)]
                await topic.send(key=output.conversation_id.encode(), value=write(output))

    return app


@click.command()
@click.option("--bootstrap-servers", required=True)
@click.option("--prefix", required=True)
@click.option("--app-id", required=True)
@click.option("--partitions", type=int, required=True)
@click.option("--data-dir", required=True)
def main(bootstrap_servers: str, prefix: str, app_id: str, partitions: int, data_dir: str) -> None:
    """Run one stock worker until SIGTERM."""
    app = create_app(bootstrap_servers, Topics(prefix=prefix, app_id=app_id), partitions, data_dir)
    # At WARNING, Faust's terminal spinner sets the root logger to DEBUG and costs 18 %.
    app.Worker(loglevel="INFO", redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main()
