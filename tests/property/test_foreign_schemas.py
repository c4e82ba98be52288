"""Schemas and payloads that anybody may have written: a record or the one error, within bounds of time and memory."""

import json
import time
import tracemalloc
from contextlib import suppress

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.pubsub.converters.payload import PayloadError, writer_schema
from tests.support.codec_forms import fastavro_bytes, varint

ATOMS = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
ODD = [
    {"type": "int", "logicalType": "decimal", "precision": "many"},
    {"type": "bytes", "logicalType": "decimal", "precision": -1, "scale": 99},
    {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "int", "logicalType": "date"},
    {"type": "string", "logicalType": "uuid"},
    {"type": "string", "avro.java.string": "String"},
    {"type": "long", "logicalType": ["nosuch"]},
]


def read_in_bounds(schema, payload):
    """What a payload gives; None for the one error. In less than a second and 200 MB."""
    tracemalloc.start()
    began_s = time.thread_time()  # not the clock: others may have the processor
    try:
        return writer_schema(schema).read(payload)
    except PayloadError:
        return None
    finally:
        took_s, (_, peak) = time.thread_time() - began_s, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert took_s < 5  # tracing takes five times as long as reading
        assert peak < 200_000_000


@st.composite
def schemas(draw):
    """Records that nest, recur, hold logical types that are none, defaults that do not fit, namespaces and aliases."""
    defined = []

    def kind(depth):  # noqa: PLR0911 - one for each type
        if depth > 3:
            return draw(st.sampled_from(ATOMS))
        form = draw(st.sampled_from(["atom", "odd", "union", "array", "map", "enum", "fixed", "record", "name"]))
        name = f"T{len(defined)}"
        match form:
            case "odd":
                return draw(st.sampled_from(ODD))
            case "union":
                return ["null", kind(depth + 1)]
            case "array":
                return {"type": "array", "items": kind(depth + 1)}
            case "map":
                return {"type": "map", "values": kind(depth + 1)}
            case "enum":
                defined.append(name)
                return {"type": "enum", "name": name, "symbols": ["A", "B"], "default": "nosuch"}
            case "fixed":
                defined.append(name)
                return {"type": "fixed", "name": name, "size": draw(st.integers(0, 20)), "logicalType": "duration"}
            case "record":
                return record(depth)
            case "name" if defined:
                return draw(st.sampled_from(defined))
            case _:
                return draw(st.sampled_from(ATOMS))

    def record(depth):
        name = f"T{len(defined)}"
        space = draw(st.sampled_from([None, "com.sforce.eventbus"])) if depth == 0 else None
        defined.append(name)
        fields = [
            {
                "name": f"F{number}",
                "type": kind(depth + 1),
                "default": draw(st.sampled_from([None, "x", {}])),
                "aliases": ["old"],
            }
            for number in range(draw(st.integers(0, 4)))
        ]
        return {"type": "record", "name": name, "fields": fields, **({"namespace": space} if space else {})}

    return record(0)


@given(schemas(), st.binary(max_size=200))
@settings(max_examples=300)
def test_any_bytes_under_any_schema_give_a_record_or_the_one_error(schema, payload):
    read_in_bounds(json.dumps(schema), payload)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([*ATOMS, "record", "enum", "fixed", "array", "union"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["type", "name", "fields", "items", "values", "symbols", "size"]), inner)
    ),
    max_leaves=30,
)


@given(JSON | st.fixed_dictionaries({"type": st.just("record"), "name": st.just("R"), "fields": JSON}), st.binary())
def test_any_json_is_a_schema_or_the_one_error(schema, payload):
    with suppress(PayloadError):
        writer_schema(json.dumps(schema)).read(payload)


NAMED = [
    pytest.param({"type": "record", "name": "In", "fields": [{"name": "n", "type": "long"}]}, {"n": 5}, id="record"),
    pytest.param({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B", id="enum"),
    pytest.param({"type": "array", "items": "long"}, [1, 2], id="array"),
    pytest.param({"type": "array", "items": {"type": "map", "values": "string"}}, [{"k": "v"}, {}], id="array of maps"),
    pytest.param({"type": "map", "values": ["null", "double"]}, {"a": None, "b": 1.5}, id="map"),
    pytest.param({"type": "fixed", "name": "F", "size": 3}, b"abc", id="fixed"),
    pytest.param({"type": "string", "avro.java.string": "String"}, "text", id="annotated string"),
    pytest.param("float", 0.5, id="float"),
]


@pytest.mark.parametrize("nullable", [True, False], ids=["nullable", "plain"])
@pytest.mark.parametrize(("kind", "value"), NAMED)
def test_every_type_behind_flat_fields_is_read_as_fastavro_wrote_it(kind, value, nullable):
    schema = {
        "type": "record",
        "name": "X__e",
        "fields": [
            {"name": "CreatedDate", "type": "long"},
            {"name": "Text__c", "type": ["null", "string"]},
            {"name": "Value__c", "type": ["null", kind] if nullable else kind},
        ],
    }
    for found in [value, None] if nullable else [value]:
        record = {"CreatedDate": 1_700_000_000_000, "Text__c": None, "Value__c": found}
        assert writer_schema(json.dumps(schema)).read(fastavro_bytes(schema, record)) == record


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        pytest.param(
            {"type": "long", "logicalType": "timestamp-millis"}, varint(2**62), 2**62, id="time of no calendar"
        ),
        pytest.param({"type": "int", "logicalType": "date"}, varint(-(2**31)), -(2**31), id="date of no calendar"),
        pytest.param({"type": "bytes", "logicalType": "decimal", "precision": 1}, b"\x06abc", b"abc", id="digits"),
        pytest.param({"type": "bytes", "logicalType": "decimal", "precision": -1}, b"\x02a", b"a", id="no decimal"),
        pytest.param({"type": "string", "logicalType": "uuid"}, b"\x02x", "x", id="no uuid"),
        pytest.param({"type": "string", "logicalType": 5}, b"\x02x", "x", id="no logical type"),
    ],
)
def test_a_logical_type_is_read_as_what_was_written(kind, written, value):
    schema = {"type": "record", "name": "X__e", "fields": [{"name": "v", "type": kind, "default": {"odd": 1}}]}
    assert writer_schema(json.dumps(schema)).read(written) == {"v": value}


def chain(kind):
    fields = [{"name": "v", "type": kind}, {"name": "next", "type": ["null", "R"]}]
    return {"type": "record", "name": "R", "fields": fields}


def doubling(levels):
    """A record of two records of two records …: 2^levels values of no bytes."""
    kind = {"type": "record", "name": "R0", "fields": []}
    for level in range(1, levels):
        pair = [{"name": "a", "type": kind}, {"name": "b", "type": f"R{level - 1}"}]
        kind = {"type": "record", "name": f"R{level}", "fields": pair}
    return kind


def holding(kind):
    return {"type": "record", "name": "H", "fields": [{"name": "v", "type": kind}]}


def pair(first, second):
    return {"type": "record", "name": "P", "fields": [{"name": "v", "type": first}, {"name": "w", "type": second}]}


def within(opening, levels):
    return holding(json.loads(opening * levels + '"int"' + "}" * levels))


NULLS = {"type": "array", "items": "null"}
ENUM = {"type": "enum", "name": "E", "symbols": ["A"]}
BOMBS = [
    pytest.param(chain("null"), b"\x02" * 20_000 + b"\x00", id="a recursive type of 20 KB"),
    pytest.param({"type": "record", "name": "R", "fields": [{"name": "r", "type": "R"}]}, b"", id="a record in itself"),
    pytest.param(holding({"type": "array", "items": "H"}), b"\x02" * 50_000, id="arrays in arrays"),
    pytest.param(holding({"type": "map", "values": "H"}), b"\x02\x00" * 50_000, id="maps in maps"),
    pytest.param(holding(NULLS), varint(2**31) + b"\x00", id="nulls"),
    pytest.param(holding(NULLS), (varint(90_000) * 3) + b"\x00", id="nulls in blocks"),
    pytest.param(holding({"type": "array", "items": NULLS}), varint(9) + (varint(40_000) + b"\x00") * 9, id="in lists"),
    pytest.param(holding({"type": "map", "values": "null"}), varint(2**40) + b"\x00", id="nulls by key"),
    pytest.param(
        holding({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}), varint(2**31), id="fixed of 0"
    ),
    pytest.param(
        holding({"type": "array", "items": {"type": "record", "name": "N", "fields": []}}),
        varint(2**31) + b"\x00",
        id="records without fields",
    ),
    pytest.param(doubling(20), b"", id="records of two records"),
    pytest.param(holding("string"), varint(2**63 - 1) + b"x", id="a string of all bytes"),
    pytest.param(holding(["null", "bytes", "int"]), b"\x02" + varint(2**62) + b"x", id="bytes of all bytes"),
    pytest.param(pair(["null", "bytes", "int"], "int"), b"\x02\x01", id="bytes of a length below zero, read again"),
    pytest.param(holding(["null", "double", "int"]), b"\x02abc", id="half the bytes of a number"),
    pytest.param(holding({"type": "fixed", "name": "F", "size": 2**39}), b"x", id="a fixed of all bytes"),
    pytest.param(holding({"type": "array", "items": "int"}), varint(-(2**63)) + b"\x00\x00", id="a block of -2^63"),
    pytest.param(
        holding({"type": "array", "items": {"type": "record", "name": "W", "fields": [
            *({"name": f"n{number}", "type": "null"} for number in range(1000)), {"name": "i", "type": "int"}]}}),
        varint(100_000) + b"\x02" * 100_000 + b"\x00",
        id="many nulls with each byte",
    ),
    pytest.param(holding(["null", "string", "int"]), b"\x01\x02", id="a branch below zero"),
    pytest.param(holding({"type": "enum", "name": "E", "symbols": ["A"]}), b"\x01", id="a symbol below zero"),
    pytest.param(holding(["null", "boolean", "int"]), b"\x02\x02", id="neither true nor false"),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "payload"), BOMBS)
def test_a_bomb_is_refused_at_once(schema, payload):
    assert read_in_bounds(json.dumps(schema), payload) is None


@pytest.mark.parametrize(
    ("items", "payload"),
    [
        pytest.param("null", varint(2**31) + b"\x00", id="more items than values are read"),
        pytest.param("int", varint(150_000) + b"\x02" * 100_000, id="more items than bytes"),
        pytest.param("double", varint(50_000) + b"\x02" * 100_000, id="more items than bytes for them"),
    ],
)
def test_a_block_that_cannot_be_there_is_refused_before_its_items_are_read(items, payload):
    schema = writer_schema(json.dumps(holding({"type": "array", "items": items})))
    tracemalloc.start()
    with pytest.raises(PayloadError):
        schema.read(payload)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50_000


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"type":' * 100_000, id="JSON that is nested"),
        pytest.param(json.dumps(within('{"type":"array","items":', 150)), id="arrays in a schema of 150 levels"),
        pytest.param(json.dumps(within('{"type":', 150)), id="types in a schema of 150 levels"),
        pytest.param('{"type":"array","items":' * 900 + '"int"' + "}" * 900, id="arrays in a schema of 900 levels"),
        pytest.param("[" * 500 + "]" * 500, id="unions"),
        pytest.param('{"type":"record","name":"R","fields":[{"name":"a","type":["null",{}]}]}', id="no type"),
        pytest.param('{"type":"record","name":"R","fields":[{"name":5,"type":"int"}]}', id="a number as name"),
        pytest.param('{"type":"record","name":"R","fields":{"a":1}}', id="no fields"),
        pytest.param('{"type":"record","name":["R"],"fields":[]}', id="a list as name"),
        pytest.param(json.dumps(pair("int", "int")).replace('"w"', '"v"'), id="two fields of one name"),
        pytest.param(json.dumps(pair(ENUM, ENUM)), id="two types of one name"),
        pytest.param('"int"', id="a schema that is no record"),
        pytest.param(json.dumps(holding("Elsewhere")), id="a type that is defined nowhere"),
        pytest.param(json.dumps(holding({"type": "fixed", "name": "F", "size": 1e400})), id="an endless fixed"),
        pytest.param(json.dumps(holding({"type": "enum", "name": "E", "symbols": "AB"})), id="a text of symbols"),
        pytest.param(json.dumps(holding(["null", ["null", "int"]])), id="a union in a union"),
    ],
)
def test_a_schema_that_is_none_is_refused_at_once(text):
    began_s = time.thread_time()
    with pytest.raises(PayloadError, match="parsing the Avro schema"):
        writer_schema(text)
    assert time.thread_time() - began_s < 1


@pytest.mark.parametrize("depth", [1, 60])
def test_a_chain_as_deep_as_anybody_needs_is_read(depth):
    record = None
    for number in range(depth):
        record = {"v": number, "next": record}
    schema = chain("int")
    assert writer_schema(json.dumps(schema)).read(fastavro_bytes(schema, record)) == record


@given(st.data())
@settings(max_examples=200)
def test_what_fastavro_wrote_under_any_schema_is_read_back(data):
    """Only values that fastavro can write of itself: without odd logical types and recursion."""
    parts = st.recursive(
        st.sampled_from(
            [("long", 7), ("string", "ä"), ("null", None), ("boolean", True), ("double", 0.25), ("bytes", b"z")]
        ),
        lambda inner: st.one_of(
            inner.map(lambda of: ({"type": "array", "items": of[0]}, [of[1]] * 3)),
            inner.map(lambda of: ({"type": "map", "values": of[0]}, {"k": of[1], "l": of[1]})),
        ),
        max_leaves=4,
    )
    kinds = data.draw(st.lists(parts, min_size=1, max_size=6))
    schema = {
        "type": "record",
        "name": "com.sforce.X__e",
        "fields": [{"name": f"f{number}", "type": kind} for number, (kind, _) in enumerate(kinds)],
    }
    record = {f"f{number}": value for number, (_, value) in enumerate(kinds)}
    fastavro.parse_schema(schema, named_schemas={})
    assert writer_schema(json.dumps(schema)).read(fastavro_bytes(schema, record)) == record
