"""Record codecs: bytes equal to fastavro's, both framings read, damage named."""

import io
import string

import fastavro
import msgspec
import pytest
from fastavro.utils import generate_many
from hypothesis import given
from hypothesis import strategies as st

from schemas import records
from schemas.codec import Codec, DecodeError, catalogue, decode, encode

RECORD_TYPES = catalogue.record_types()
ANY_TEXT = st.text(alphabet=string.printable + "äß漢🙂\x00", max_size=300)
VALUES = {
    str: ANY_TEXT,
    bytes: st.binary(max_size=40),
    int: st.integers(min_value=-(2**31), max_value=2**31 - 1) | st.sampled_from([0, -1, 63, 64, 2**31 - 1]),
    bool: st.booleans(),
}
LONGS = st.integers(min_value=-(2**63), max_value=2**63 - 1)


def any_record(record_type):
    """Strategy for records of one type, straight from its Avro schema."""
    fields = {}
    for field in catalogue.newest(record_type).parsed["fields"]:
        kind = field["type"]
        if isinstance(kind, dict):
            fields[field["name"]] = st.lists(ANY_TEXT, max_size=5)
            continue
        nullable, kind = (True, kind[1]) if isinstance(kind, list) else (False, kind)
        value = {
            "string": VALUES[str],
            "bytes": VALUES[bytes],
            "int": VALUES[int],
            "long": LONGS,
            "boolean": VALUES[bool],
        }[kind]
        fields[field["name"]] = st.none() | value if nullable else value
    return st.fixed_dictionaries(fields).map(lambda values: record_type(**values))


ANY_RECORD = st.one_of([any_record(record_type) for record_type in RECORD_TYPES])


@given(ANY_RECORD)
def test_compiled_bytes_equal_fastavro_bytes(record):
    schema = catalogue.newest(type(record))
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema.parsed, msgspec.structs.asdict(record))
    assert encode(record) == b"\xc3\x01" + schema.fingerprint + out.getvalue()


@given(ANY_RECORD)
def test_what_was_written_is_read_back(record):
    assert decode(type(record), encode(record)) == record


@given(ANY_RECORD)
def test_confluent_frames_are_read(record):
    schema = catalogue.newest(type(record)).parsed
    framed = b"\x00" + (7).to_bytes(4, "big") + encode(record)[10:]
    assert Codec(type(record), {7: schema}.__getitem__).decode(framed) == record


@given(ANY_RECORD, st.data())
def test_a_cut_off_record_is_an_error_and_never_a_record(record, data):
    whole = encode(record)
    cut = data.draw(st.integers(min_value=0, max_value=len(whole) - 1))
    with pytest.raises(DecodeError):
        decode(type(record), whole[:cut])


def receipt():
    return records.DeliveryReceipt(
        delivery_id="d", conversation_id="c", entry_id="e", status="read", reported_by="partner", at_ms=1
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"", "starting nothing", id="empty"),
        pytest.param(b"{}", "neither", id="json"),
        pytest.param(b"\x00\x00\x00\x00\x07\x02a", "no schema registry", id="confluent without a registry"),
        pytest.param(b"\xc3\x01" + bytes(8) + b"\x02a", "0000000000000000 is no version", id="foreign fingerprint"),
    ],
)
def test_foreign_bytes_are_named(data, words):
    with pytest.raises(DecodeError, match=words):
        decode(records.DeliveryReceipt, data)


def test_an_unknown_registry_id_is_named():
    framed = b"\x00\x00\x00\x00\x63" + encode(receipt())[10:]
    with pytest.raises(DecodeError, match="no schema 99"):
        Codec(records.DeliveryReceipt, {}.__getitem__).decode(framed)


def test_the_fingerprint_is_the_one_of_the_avro_specification():
    # The specification's example: CRC-64-AVRO of "int" is 7275d51a3f395c8f, little-endian on the wire.
    assert fastavro.schema.fingerprint('"int"', "CRC-64-AVRO") == "8f5c393f1ad57572"


@pytest.mark.parametrize("record_type", RECORD_TYPES, ids=lambda record_type: record_type.__name__)
def test_class_and_schema_have_the_same_fields(record_type):
    python = {"string": str, "bytes": bytes, "int": int, "long": int, "boolean": bool}
    expected = []
    for field in catalogue.newest(record_type).parsed["fields"]:
        kind = field["type"]
        if isinstance(kind, list):
            expected.append((field["name"], python[kind[1]] | None))
        else:
            expected.append((field["name"], list[str] if isinstance(kind, dict) else python[kind]))
    assert [(field.name, field.type) for field in msgspec.structs.fields(record_type)] == expected


@pytest.mark.parametrize("record_type", RECORD_TYPES, ids=lambda record_type: record_type.__name__)
def test_every_version_can_be_read_by_the_next(record_type):
    found = catalogue.versions(record_type.__name__)
    assert [schema.version for schema in found] == list(range(1, len(found) + 1))
    newest = found[-1].parsed
    for old in found:
        for value in generate_many(old.parsed, 20):
            out = io.BytesIO()
            fastavro.schemaless_writer(out, old.parsed, value)
            out.seek(0)
            fastavro.schemaless_reader(out, old.parsed, newest)


def test_what_another_schema_of_a_registry_wrote_is_read_within_bounds():
    """fastavro would follow it until its stack is at an end, and the process with it."""
    chain = {"type": "record", "name": "Chain", "fields": [{"name": "next", "type": ["null", "Chain"]}]}
    codec = Codec(records.OutboundEvent, {7: fastavro.parse_schema(chain, named_schemas={})}.__getitem__)
    with pytest.raises(DecodeError, match="nested more than"):
        codec.decode(b"\x00\x00\x00\x00\x07" + b"\x02" * 200 + b"\x00")
