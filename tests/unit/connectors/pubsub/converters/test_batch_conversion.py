"""A batch of events becomes records in order; what cannot be read becomes a dead letter, or ends the task."""

import io
import json

import fastavro
import pytest

from connectors.errors import TaskFailed
from connectors.pubsub.converters.batch import Batch, BatchConverter
from connectors.pubsub.converters.byoc import FieldNames
from connectors.pubsub.converters.choice import ConversionSettings, ForeignPolicy, Mode, converter_for
from connectors.pubsub.converters.converter import EventHeaders
from connectors.pubsub.converters.dead_letters import ErrorReporter
from connectors.pubsub.converters.payload import writer_schema
from connectors.pubsub.converters.raw import RawOptions
from schemas.dead_letters import POINTER_HEADER, PREFIX, Stage, fits
from schemas.kafka_settings import LARGEST_CONTENT_BYTES
from schemas.proto import pubsub_api_pb2 as pb

TOPIC, ORG_ID = "/event/X__chn", "00DHs000000DemoMAC"
FIELDS = [
    {"name": "CreatedDate", "type": "long"},
    {"name": "CreatedById", "type": "string"},
    {"name": "EventType__c", "type": ["null", "string"]},
    {"name": "EventPayload__c", "type": ["null", "string"]},
]
SCHEMAS = {name: {"type": "record", "name": name, "fields": FIELDS} for name in ("Byoc__e", "Other__e")}
ERRORS = ErrorReporter(
    dead_letter_topic="dead", connector="sf", task_id=0, class_name="PubSubSource", salesforce_topic=TOPIC
)
GOOD = json.dumps({"conversationIdentifier": "cv-1"})


def event(number, schema="Byoc__e", payload=GOOD, damaged=False):
    """The event of a number; its schema id is the schema's name."""
    record = {
        "CreatedDate": 1_000 + number,
        "CreatedById": "005",
        "EventType__c": "Interaction",
        "EventPayload__c": payload,
    }
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(SCHEMAS[schema], named_schemas={}), record)
    data = b"\xff" if damaged else out.getvalue()
    produced = pb.ProducerEvent(id=f"uuid-{number}", schema_id=schema, payload=data)
    return pb.ConsumerEvent(event=produced, replay_id=bytes([number]))


def batch_of(*events):
    return Batch(sequence=0, replay_id=events[-1].replay_id, received_s=0.0, events=events)


def converter(known=tuple(SCHEMAS), *, tolerate_errors=True, **settings):
    """A converter that knows some schemas."""
    schemas = {name: writer_schema(json.dumps(SCHEMAS[name])) for name in known}
    chosen = ConversionSettings(
        **{
            "mode": Mode.BYOC,
            "events_topic": "events",
            "fields": FieldNames(event_type="EventType__c", payload="EventPayload__c"),
            "raw": RawOptions(topic="raw"),
            **settings,
        }
    )
    return BatchConverter(
        converter_for=converter_for(chosen, TOPIC, ORG_ID),
        known_schema=schemas.get,
        headers=EventHeaders(TOPIC, ORG_ID),
        errors=ERRORS,
        tolerate_errors=tolerate_errors,
    )


def destinations(batch):
    """Kafka topic and event UUID of every record."""
    return [(topic, dict(headers)["sf.event_uuid"].decode()) for topic, _, _, headers in batch.records]


def stages(batch):
    return [dict(headers).get(PREFIX + "stage", b"").decode() for _, _, _, headers in batch.records]


def test_events_become_records_in_order_with_the_time_of_the_newest():
    batch = batch_of(event(1), event(2))
    assert converter().convert(batch, 0, 5_000) == 2
    assert destinations(batch) == [("events", "uuid-1"), ("events", "uuid-2")]
    assert {key for _, _, key, _ in batch.records} == {b"cv-1"}
    assert (batch.mirrored, batch.dead_letters, batch.newest_event_at_ms) == (2, 0, 1_002)


def test_it_stops_at_an_event_whose_schema_is_not_known_and_goes_on_from_there():
    batch = batch_of(event(1), event(2, "Other__e"), event(3))
    index = converter(known=["Byoc__e"]).convert(batch, 0, 5_000)
    assert (index, batch.mirrored) == (1, 1)
    assert converter().convert(batch, index, 5_000) == 3
    assert [uuid for _, uuid in destinations(batch)] == ["uuid-1", "uuid-2", "uuid-3"]


@pytest.mark.parametrize(
    ("bad", "stage"),
    [
        pytest.param({"damaged": True}, Stage.VALUE_CONVERTER, id="bytes that do not fit the schema"),
        pytest.param({"payload": "{"}, Stage.VALUE_CONVERTER, id="a payload that is no JSON"),
        pytest.param({"payload": "{}"}, Stage.KEY_CONVERTER, id="no conversation"),
    ],
)
def test_an_event_that_cannot_be_read_becomes_a_dead_letter_among_the_others(bad, stage):
    batch = batch_of(event(1), event(2, **bad), event(3))
    assert converter().convert(batch, 0, 5_000) == 3
    assert destinations(batch) == [("events", "uuid-1"), ("dead", "uuid-2"), ("events", "uuid-3")]
    assert stages(batch) == ["", stage.value, ""]
    assert batch.records[1][1] == batch.events[1].event.payload
    assert (batch.mirrored, batch.dead_letters) == (2, 1)


def test_an_event_that_cannot_be_read_ends_the_task_when_errors_are_not_tolerated():
    batch = batch_of(event(1), event(2, damaged=True))
    with pytest.raises(TaskFailed, match=r"replay_id=02 .*event_uuid=uuid-2.*errors\.tolerance=all"):
        converter(tolerate_errors=False).convert(batch, 0, 5_000)
    assert batch.dead_letters == 0


@pytest.mark.parametrize(
    ("settings", "topics"),
    [
        pytest.param({}, ["events", "events"], id="all types are BYOC"),
        pytest.param({"event_types": frozenset({"Byoc__e"})}, ["events", "dead"], id="another type is a dead letter"),
        pytest.param(
            {"event_types": frozenset({"Byoc__e"}), "foreign": ForeignPolicy.RAW},
            ["events", "raw"],
            id="another type is mirrored as it came",
        ),
        pytest.param({"mode": Mode.RAW}, ["raw", "raw"], id="everything is mirrored as it came"),
    ],
)
def test_the_schema_of_an_event_decides_which_converter_it_goes_to(settings, topics):
    batch = batch_of(event(1), event(2, "Other__e"))
    assert converter(**settings).convert(batch, 0, 5_000) == 2
    assert [topic for topic, _ in destinations(batch)] == topics
    raw = [value for topic, value, _, _ in batch.records if topic == "raw"]
    assert set(raw) <= {consumer_event.event.payload for consumer_event in batch.events}


DEEP = '{"conversationIdentifier":"c","x":' + "[" * 100_000 + "]" * 100_000 + "}"
NESTED_TYPES = {
    "record": {"type": "record", "name": "In", "fields": [{"name": "n", "type": "long"}]},
    "enum": {"type": "enum", "name": "E", "symbols": ["A"]},
    "array": {"type": "array", "items": "long"},
    "map": {"type": "map", "values": "long"},
    "fixed": {"type": "fixed", "name": "F", "size": 2},
    "logical type": {"type": "long", "logicalType": "timestamp-millis"},
    "annotated string": {"type": "string", "avro.java.string": "String"},
}


@pytest.mark.parametrize("tolerate_errors", [True, False])
def test_json_that_is_nested_too_deep_costs_its_event_only(tolerate_errors):
    batch = batch_of(event(1), event(2, payload=DEEP), event(3))
    if not tolerate_errors:
        with pytest.raises(TaskFailed, match="RecursionError"):
            converter(tolerate_errors=False).convert(batch, 0, 0)
        return
    assert converter().convert(batch, 0, 0) == 3
    assert destinations(batch) == [("events", "uuid-1"), ("dead", "uuid-2"), ("events", "uuid-3")]


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("kind", NESTED_TYPES)
def test_a_nullable_type_of_any_kind_behind_flat_fields_is_no_hindrance(kind, mode):
    """It was `unhashable type`, which ended the task."""
    schema = {
        "type": "record",
        "name": "Byoc__e",
        "fields": [*FIELDS, {"name": "N", "type": ["null", NESTED_TYPES[kind]]}],
    }
    known = writer_schema(json.dumps(schema))
    one = event(1)
    one.event.payload += b"\x00"
    chosen = ConversionSettings(
        mode=mode,
        events_topic="events",
        fields=FieldNames(event_type="EventType__c", payload="EventPayload__c"),
        raw=RawOptions(topic="raw"),
    )
    batch = batch_of(one)
    done = BatchConverter(
        converter_for=converter_for(chosen, TOPIC, ORG_ID),
        known_schema=lambda _: known,
        headers=EventHeaders(TOPIC, ORG_ID),
        errors=ERRORS,
        tolerate_errors=True,
    ).convert(batch, 0, 0)
    assert (done, batch.mirrored, batch.dead_letters) == (1, 1, 0)


class _Failing:
    """A converter that nobody foresaw."""

    def __init__(self, error):
        self.error = error

    def convert(self, *_):
        raise self.error


@pytest.mark.parametrize(
    "error", [TypeError("secret"), RecursionError("secret"), MemoryError(), OverflowError("secret")]
)
@pytest.mark.parametrize("at", ["choice", "conversion"])
def test_whatever_an_event_provokes_is_its_dead_letter(error, at):
    def choose(schema):
        if at == "choice":
            raise error
        return _Failing(error)

    batch = batch_of(event(1), event(2), event(3, "Other__e"))
    done = BatchConverter(
        converter_for=choose,
        known_schema=lambda _: writer_schema(json.dumps(SCHEMAS["Byoc__e"])),
        headers=EventHeaders(TOPIC, ORG_ID),
        errors=ERRORS,
        tolerate_errors=True,
    ).convert(batch, 0, 0)
    assert (done, batch.dead_letters) == (3, 3)
    assert all(type(error).__name__ in str(headers) and "secret" not in str(headers) for *_, headers in batch.records)


@pytest.mark.parametrize("mode", [Mode.BYOC, Mode.RAW])
@pytest.mark.parametrize("spare", [-500_000, -1_000, -100, 0, 500_000, 12_000_000])
@pytest.mark.parametrize("damaged", [False, True])
def test_an_event_whose_record_would_be_too_large_costs_itself_only(mode, spare, damaged):
    large = event(2, payload=json.dumps({"conversationIdentifier": "cv-1", "x": "x" * (LARGEST_CONTENT_BYTES + spare)}))
    if damaged:
        large.event.payload += b"\xff" * 8
    batch = batch_of(event(1), large, event(3))
    assert converter(mode=mode).convert(batch, 0, 5_000) == 3
    assert [dict(headers)["sf.event_uuid"] for _, _, _, headers in batch.records] == [b"uuid-1", b"uuid-2", b"uuid-3"]
    assert all(fits(value, key, headers) for _, value, key, headers in batch.records)
    is_letter = PREFIX + "stage" in dict(batch.records[1][3])
    assert (batch.mirrored, batch.dead_letters) == (3 - is_letter, int(is_letter))
    assert is_letter or spare < 0
    assert (POINTER_HEADER in dict(batch.records[1][3])) or spare < 0


def test_without_tolerance_a_record_that_would_be_too_large_ends_the_task():
    large = event(2, payload=json.dumps({"conversationIdentifier": "cv-1", "x": "x" * LARGEST_CONTENT_BYTES}))
    with pytest.raises(TaskFailed, match="a record may have"):
        converter(tolerate_errors=False).convert(batch_of(event(1), large), 0, 5_000)


def test_a_change_with_a_description_that_fits_no_record_costs_itself_only():
    ids = {"name": "recordIds", "type": {"type": "array", "items": "string"}}
    header = {"type": "record", "name": "ChangeEventHeader", "fields": [ids]}
    schema = {
        "type": "record",
        "name": "XChangeEvent",
        "fields": [{"name": "ChangeEventHeader", "type": header}],
    }
    changes = []
    for number, text in enumerate(("a", "\x01" * 250_000, "b")):
        out = io.BytesIO()
        value = {"ChangeEventHeader": {"recordIds": [text]}}
        fastavro.schemaless_writer(out, fastavro.parse_schema(schema, named_schemas={}), value)
        made = pb.ProducerEvent(id=f"uuid-{number}", schema_id="c", payload=out.getvalue())
        changes.append(pb.ConsumerEvent(event=made, replay_id=bytes([number])))
    batch = batch_of(*changes)
    settings = ConversionSettings(
        mode=Mode.RAW,
        events_topic="events",
        fields=FieldNames(event_type="EventType__c", payload="EventPayload__c"),
        raw=RawOptions(topic="raw"),
    )
    known = writer_schema(json.dumps(schema))
    reader = BatchConverter(
        converter_for=converter_for(settings, TOPIC, ORG_ID),
        known_schema=lambda _: known,
        headers=EventHeaders(TOPIC, ORG_ID),
        errors=ERRORS,
        tolerate_errors=True,
    )
    assert reader.convert(batch, 0, 5_000) == 3
    assert [topic for topic, _, _, _ in batch.records] == ["raw", "dead", "raw"]
    assert b"raw.change.headers" in dict(batch.records[1][3])[PREFIX + "exception.message"]
