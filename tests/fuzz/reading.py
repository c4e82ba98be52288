"""What comes as bytes: records of Kafka topics, payloads and envelopes of Salesforce, and the rules that read them."""

import contextlib
import io
import json
import re
from typing import Any

import fastavro
import msgspec

from connectors.pubsub.converters.batch import Batch, BatchConverter
from connectors.pubsub.converters.byoc import FieldNames
from connectors.pubsub.converters.choice import ConversionSettings, ForeignPolicy, Mode, converter_for
from connectors.pubsub.converters.converter import EventHeaders
from connectors.pubsub.converters.dead_letters import ErrorReporter
from connectors.pubsub.converters.payload import PayloadError, writer_schema
from connectors.pubsub.converters.raw import RawOptions
from schemas import records
from schemas.codec import Codec, DecodeError, catalogue, decode, encode
from schemas.codec.compiled import _kinds_of
from schemas.codec.foreign import foreign_record
from schemas.proto import pubsub_api_pb2 as pb
from simulator.scenario.message_formats import BUILDERS
from streams.core.model.errors import CoreError
from tests.fuzz.avro import long_bytes, of_schema_and_payload
from tests.fuzz.forms import compare_flat, compare_nested
from tests.fuzz.mutators import of_bytes, of_json
from tests.fuzz.target import Broken, Target
from tests.support import domain
from tests.support.recorded import INPUTS, OUTPUTS, Recorded

TOPIC = "/event/ByocOutbound__e"


# -- codec: one byte that says which record, then the record
TYPES: tuple[Any, ...] = catalogue.record_types()
_NEWEST = [catalogue.newest(each) for each in TYPES]
_OF_REGISTRY = {number: found.parsed for number, found in enumerate(_NEWEST)}
_CODECS = [Codec(each, _OF_REGISTRY.__getitem__) for each in TYPES]


def codec(data: bytes) -> None:
    """Both framings, all versions; then the loops as compiled against the same loops as Python."""
    index, body = data[0] % len(TYPES) if data else 0, data[1:]
    for read in (_CODECS[index].decode, lambda given: decode(TYPES[index], given)):
        try:
            record = read(body)
        except DecodeError:
            continue
        if decode(TYPES[index], encode(record)) != record and b"nan" not in repr(record).encode():
            raise Broken("what was read is not what is read after it was written again")
    compare_flat(data, body, _kinds_of(_NEWEST[index].parsed))


def codec_seeds() -> list[bytes]:
    """The first records of each topic of a recorded run, in both framings."""
    recorded, found = Recorded("v0_1"), []
    for name, kind in {**INPUTS, **OUTPUTS}.items():
        index = TYPES.index(kind)
        for kept in recorded.topic(name)[:8]:
            value = kept.value or b""
            found.append(bytes([index]) + value)
            found.append(bytes([index]) + b"\x00" + index.to_bytes(4, "big") + value[10:])
    return found


# -- Avro payloads of strangers
_SETTINGS = ConversionSettings(
    mode=Mode.BYOC,
    events_topic="e",
    fields=FieldNames(event_type="EventType__c", payload="EventPayload__c"),
    raw=RawOptions(topic="r"),
    event_types=frozenset({"ByocOutbound__e", "Event__e"}),
    foreign=ForeignPolicy.RAW,
)
_RAW = ConversionSettings(mode=Mode.RAW, events_topic="e", fields=_SETTINGS.fields, raw=RawOptions(topic="r"))


def avro_payload(data: bytes) -> None:
    """A schema's JSON, a zero byte, a payload: to be read in both forms, and to become records in both modes."""
    text, _, payload = data.partition(b"\x00")
    try:
        schema = writer_schema(text.decode("utf-8", "replace"))
    except PayloadError:
        return
    with contextlib.suppress(PayloadError):
        schema.read(payload)
    compare_nested(foreign_record(json.loads(schema.text)), payload)
    for settings in (_SETTINGS, _RAW):
        _converted(settings, payload, schema)


def _converted(settings: ConversionSettings, payload: bytes, schema: Any) -> None:
    headers = EventHeaders(TOPIC, domain.ORG)
    converter = BatchConverter(
        converter_for=converter_for(settings, TOPIC, domain.ORG),
        known_schema=lambda _: schema,
        headers=headers,
        errors=ErrorReporter(dead_letter_topic="d", connector="c", task_id=0, class_name="x", salesforce_topic=TOPIC),
        tolerate_errors=True,
    )
    event = pb.ConsumerEvent(
        event=pb.ProducerEvent(id="uuid", schema_id="s", payload=payload), replay_id=b"\x00\x00\x00\x00\x00\x00\x00\x01"
    )
    batch = Batch(sequence=1, replay_id=None, received_s=0.0, events=[event])
    converter.convert(batch, 0, domain.T0)
    if len(batch.records) != 1:
        raise Broken(f"one event became {len(batch.records)} records")


def avro_seeds() -> list[bytes]:
    """The event of BYOC with a payload, and the shapes that harmed readers before."""
    fields = [
        {"name": "CreatedDate", "type": "long"},
        {"name": "CreatedById", "type": "string"},
        {"name": "EventType__c", "type": ["null", "string"], "default": None},
        {"name": "EventPayload__c", "type": ["null", "string"], "default": None},
    ]
    event = {"type": "record", "name": "ByocOutbound__e", "namespace": "com.sforce.eventbus", "fields": fields}
    value = {
        "CreatedDate": domain.T0,
        "CreatedById": "005Hs00000FgHiJ",
        "EventType__c": "Interaction",
        "EventPayload__c": domain.message().payload,
    }
    nested = {"type": "record", "name": "In", "fields": [{"name": "a", "type": "string"}]}
    endless = {"type": "record", "name": "Event__e", "fields": [{"name": "next", "type": ["null", "Event__e"]}]}
    nulls = {
        "type": "record",
        "name": "Event__e",
        "fields": [{"name": "a", "type": {"type": "array", "items": "null"}}],
    }
    behind = {**event, "fields": [*fields, {"name": "More__c", "type": ["null", nested]}]}
    return [
        json.dumps(event).encode() + b"\x00" + _avro(event, value),
        json.dumps(behind).encode() + b"\x00" + _avro(behind, {**value, "More__c": {"a": "x"}}),
        json.dumps(endless).encode() + b"\x00" + b"\x02" * 20_000 + b"\x00",
        json.dumps(nulls).encode() + b"\x00" + long_bytes(2**31),
    ]


def _avro(schema: dict[str, Any], value: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(json.dumps(schema))), value)
    return out.getvalue()


# -- envelopes, and the rules: event type, CreatedDate, then the payload
_EVENT_SCHEMA = writer_schema(avro_seeds()[0].partition(b"\x00")[0].decode())


def envelope(data: bytes) -> None:
    """What the source makes of the event: a record or a dead letter."""
    head, _, rest = data.partition(b"\n")
    created, _, payload = rest.partition(b"\n")
    written = b"".join(
        (
            long_bytes(_number(created)),
            long_bytes(3) + b"005",
            b"\x02" + long_bytes(len(head)) + head,
            b"\x02" + long_bytes(len(payload)) + payload,
        )
    )
    _converted(_SETTINGS, written, _EVENT_SCHEMA)


def _number(text: bytes) -> int:
    digits = text.strip()
    found = int(digits) if digits.isdigit() and len(digits) < 100 else domain.T0
    return min(found, 2**63 - 1)


def rules(data: bytes) -> None:
    """The event goes through the core between good ones; all that it changes and sends can be written."""
    head, _, rest = data.partition(b"\n")
    created, _, payload = rest.partition(b"\n")
    try:
        text, event_type = payload.decode(), head.decode()
    except UnicodeDecodeError:
        return  # the codec refuses it
    partition = domain.Partition(domain.RULES)
    partition.read(domain.session("Active"))
    partition.read(domain.requested("r1"))
    given = domain.event(text, event_type=event_type, at=_number(created) - domain.T0, received=20, uuid="fuzz")
    try:
        partition.read(given)
        partition.read(given)
    except CoreError:
        return
    partition.read(domain.message("after it", entry_id="after"))
    partition.pass_time(60 * domain.SECOND)
    for output in partition.outputs:
        encode(output)
    for values in partition.state.tables.values():
        for value in values.values():
            msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=type(value))
    texts = [each.text for each in partition.deliveries]
    consented = partition.conversation.consent != "OptOut" and not partition.conversation.no_delivery
    if consented and partition.conversation.end_user_subject == domain.END_USER and "after it" not in texts:
        raise Broken("the message after it was not delivered")


def event_seeds() -> list[bytes]:
    """Events of a recorded run, one for each entry type and format, and those that the tests of the rules use."""
    events = [
        domain.message(),
        domain.typing(),
        domain.session("Active"),
        domain.participant("add"),
        domain.consent("OptIn"),
        domain.requested("r1"),
        domain.requested("r2", userId=None, queueId="00GHs00000Que12"),
        domain.result(),
        domain.result("Cancelled", cancelReason="EndUserEnded", pendingServiceRoutingId="psr-1"),
        domain.entry("QueuePosition", {"workItemId": domain.WORK_ITEM, "position": 3}),
        domain.entry(
            "ReadAcknowledgement",
            {"acknowledgedConversationEntryIdentifier": "in-1", "acknowledgementTimestamp": domain.T0},
        ),
        domain.entry("MessageDeliveryFailed", {"failedConversationEntryIdentifier": "e5", "errorCode": "10055"}),
        domain.entry("RoutingWorkResult", {"workType": "Declined", "workTargetId": domain.WORK_ITEM, "workId": "0Bz"}),
        domain.entry("ConsultConversationInfo", {"conversationIdentifier": "consult-1"}),
        domain.entry("ProgressIndicator", {"progressIndicator": {"progressMessage": {"text": "wait"}}}),
    ]
    for build in BUILDERS.values():
        body = json.loads(json.dumps(build("e7", "words")))
        events.append(domain.event(domain.envelope(body, entry_id="e7")))
    for kept in Recorded("v0_1").topic("events")[:40]:
        try:
            events.append(decode(records.OutboundEvent, kept.value or b""))
        except DecodeError:
            continue
    made = (f"{each.event_type}\n{each.created_at_ms}\n{each.payload}" for each in events)
    return [re.sub(r"entry-\d+", "entry-1", each).encode() for each in made]  # they count in each process


TARGETS = (
    Target(name="codec", one_input=codec, seeds=codec_seeds, mutate=of_bytes),
    Target(name="avro-payload", one_input=avro_payload, seeds=avro_seeds, mutate=of_schema_and_payload),
    Target(name="envelope", one_input=envelope, seeds=event_seeds, mutate=of_json(head_lines=2)),
    Target(name="rules", one_input=rules, seeds=event_seeds, mutate=of_json(head_lines=2)),
)
