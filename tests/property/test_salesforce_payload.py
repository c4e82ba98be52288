"""Payloads of flat events: our reader and fastavro agree, and damage is noticed."""

import io
import json
from contextlib import suppress

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.pubsub.converters.payload import PayloadError, writer_schema

VALUES = {
    "string": st.text(max_size=200),
    "long": st.integers(-(2**63), 2**63 - 1),
    "int": st.integers(-(2**31), 2**31 - 1),
    "boolean": st.booleans(),
    "double": st.floats(allow_nan=False),
    "bytes": st.binary(max_size=200),
}


@st.composite
def payloads(draw):
    """A flat schema, a record of it, and its bytes."""
    fields, record = [], {}
    for number, kind in enumerate(draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=8))):
        nullable = draw(st.booleans())
        name = f"F{number}__c"
        fields.append({"name": name, "type": ["null", kind] if nullable else kind})
        record[name] = draw(st.one_of(st.none(), VALUES[kind])) if nullable else draw(VALUES[kind])
    schema = {"type": "record", "name": "X__e", "namespace": "com.sforce.eventbus", "fields": fields}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema, named_schemas={}), record)
    return json.dumps(schema), record, out.getvalue()


@given(payloads())
def test_what_fastavro_wrote_is_read_back(case):
    schema, record, payload = case
    assert writer_schema(schema).read(payload) == record


@given(payloads(), st.binary(min_size=1, max_size=10))
def test_bytes_that_are_left_over_are_an_error(case, extra):
    schema, _, payload = case
    with pytest.raises(PayloadError):
        writer_schema(schema).read(payload + extra)


@given(payloads(), st.data())
def test_a_payload_that_is_cut_off_is_an_error(case, data):
    schema, _, payload = case
    if payload:
        with pytest.raises(PayloadError):
            writer_schema(schema).read(payload[: data.draw(st.integers(0, len(payload) - 1))])


@given(payloads(), st.binary(max_size=60))
def test_any_bytes_give_a_record_or_the_one_error(case, noise):
    schema, _, _ = case
    with suppress(PayloadError):
        assert isinstance(writer_schema(schema).read(noise), dict)


def test_nested_records_of_change_events_are_read_too():
    schema = {
        "type": "record",
        "name": "AccountChangeEvent",
        "fields": [
            {"name": "Name", "type": ["null", "string"]},
            {
                "name": "Header",
                "type": {"type": "record", "name": "H", "fields": [{"name": "commitNumber", "type": "long"}]},
            },
        ],
    }
    record = {"Name": None, "Header": {"commitNumber": 1_700_000_000_000_000_001}}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema, named_schemas={}), record)
    assert writer_schema(json.dumps(schema)).read(out.getvalue()) == record
    with pytest.raises(PayloadError):
        writer_schema(json.dumps(schema)).read(out.getvalue() + b"\x00")


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param("not json", id="no JSON"),
        pytest.param('"string"', id="no record"),
        pytest.param('{"type": "record", "name": "X", "fields": [{"name": "a", "type": "nosuch"}]}', id="unknown type"),
    ],
)
def test_a_schema_that_cannot_be_used_is_one_clear_error(schema):
    with pytest.raises(PayloadError, match="parsing the Avro schema"):
        writer_schema(schema)


@pytest.mark.parametrize("number", [2**53 + 1, 2**60 + 1, 2**63 - 1, -(2**63)])
def test_every_bit_of_a_long_is_read(number):
    schema = {"type": "record", "name": "X__e", "fields": [{"name": "CommitNumber__c", "type": "long"}]}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema, named_schemas={}), {"CommitNumber__c": number})
    assert writer_schema(json.dumps(schema)).read(out.getvalue()) == {"CommitNumber__c": number}
