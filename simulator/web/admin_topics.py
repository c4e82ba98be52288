"""The calls about topics and their events: list and declare topics, read their events, publish one."""

import base64
import binascii
import json
from typing import Any

from schemas.proto import pubsub_api_pb2 as pb
from simulator.events import entries
from simulator.events.event_schema import DeclaredSchema, PayloadError
from simulator.org.ledger import LedgerEntry
from simulator.org.org import Org
from simulator.web import admin_messages as messages
from simulator.web.endpoint import Asked, Endpoint, RefusedError
from simulator.web.refusals import org_errors

_EVENTS = "/v1/topics/{kind}/{name}/events"


class AdminTopics:
    """Handlers under `/v1/topics`."""

    def __init__(self, org: Org) -> None:
        """`org` is the one that has the topics."""
        self._org = org

    def endpoints(self) -> list[Endpoint]:
        """Return the rows of the calls."""
        return [
            Endpoint(
                method="GET",
                path="/v1/topics",
                summary="All topics and channels",
                answer=self._topics,
                reply=messages.TopicList,
            ),
            Endpoint(
                method="POST",
                path="/v1/topics",
                summary="Declare a topic, its new schema, or a channel",
                answer=self._declare,
                body=messages.TopicBody,
                reply=messages.TopicReply,
                status=201,
            ),
            Endpoint(
                method="GET",
                path=_EVENTS,
                summary="The retained events of a topic",
                answer=self._events,
                query=messages.Page,
                reply=messages.EventPage,
            ),
            Endpoint(
                method="POST",
                path=_EVENTS,
                summary="Publish one event",
                answer=self._publish,
                body=messages.PublishBody,
                reply=LedgerEntry,
                status=201,
            ),
        ]

    async def _topics(self, _asked: Asked) -> messages.TopicList:
        return messages.TopicList(topics=[self._topic(topic) for topic in self._org.schemas])

    async def _declare(self, asked: Asked) -> messages.TopicReply:
        body: messages.TopicBody = asked.body
        with org_errors(self._org):
            if body.avro_schema is not None and body.members is None:
                text = json.dumps(body.avro_schema, separators=(",", ":"))
                self._org.declare_topic(DeclaredSchema(body.topic, text))
            elif body.members and body.avro_schema is None:
                self._org.declare_channel(body.topic, body.members)
            else:
                raise RefusedError(400, "a topic needs avro_schema, a channel members; give one of the two")
        return self._topic(body.topic)

    async def _events(self, asked: Asked) -> messages.EventPage:
        topic = _topic_of(asked)
        with org_errors(self._org):
            batch = self._org.log.read(topic, asked.query.after, asked.query.limit)
        if batch is None:
            return messages.EventPage(events=[], next=asked.query.after)
        frames = b"".join(part for frame in batch.events for part in frame)
        first = batch.cursor - len(batch.events)
        retained = [
            self._retained(first + at, event) for at, event in enumerate(pb.FetchResponse.FromString(frames).events)
        ]
        return messages.EventPage(events=retained, next=batch.cursor)

    async def _publish(self, asked: Asked) -> LedgerEntry:
        topic = _topic_of(asked)
        with org_errors(self._org):
            try:
                return _publish(self._org, topic, asked.body)
            except (PayloadError, binascii.Error) as error:
                raise RefusedError(400, f"reading the event to publish: {error}") from error

    def _topic(self, topic: str) -> messages.TopicReply:
        schema = self._org.schemas[topic]
        retained = self._org.log.available(topic, 0)
        return messages.TopicReply(topic=topic, schema_id=schema.schema_id if schema else "", retained=retained)

    def _retained(self, index: int, event: Any) -> messages.RetainedEvent:
        schema = self._org.schema_by_id(event.event.schema_id)
        try:
            record = schema.decode_record(event.event.payload) if schema is not None else None
        except PayloadError:
            record = None
        return messages.RetainedEvent(
            index=index,
            replay_id=event.replay_id,
            event_uuid=event.event.id,
            schema_id=event.event.schema_id,
            payload=event.event.payload,
            record=record,
        )


def _topic_of(asked: Asked) -> str:
    return f"/{asked.path['kind']}/{asked.path['name']}"


def _publish(org: Org, topic: str, body: messages.PublishBody) -> LedgerEntry:
    if body.payload_base64 is not None:
        payload = base64.b64decode(body.payload_base64, validate=True)
        return org.publish_bytes(topic, payload, event_uuid=body.event_uuid)
    if body.record is not None:
        return org.publish_bytes(topic, org.schema(topic).encode_record(body.record), event_uuid=body.event_uuid)
    text = entries.as_json(body.payload) if isinstance(body.payload, dict) else body.payload
    return org.publish(topic, body.event_type, text, event_uuid=body.event_uuid, created_at_ms=body.created_at_ms)
