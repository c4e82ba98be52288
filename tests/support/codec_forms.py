"""Both forms of the codec's loops, compiled and as Python, on the same inputs: values, damaged bytes, whole frames."""

import importlib.util
import io
import random
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import fastavro

from schemas.codec import DecodeError, flat, nested
from schemas.codec.catalogue import record_types
from schemas.codec.foreign import foreign_record
from schemas.codec.wire import Codec
from tests.support.sources import ROOT

UNPACK_DOUBLE = struct.Struct("<d").unpack_from
EDGES = [0, 1, -1, 63, 64, -64, -65, 2**31, 2**35, 2**42 - 1, 2**42, 2**62, -(2**62), 2**63 - 1, -(2**63)]
BEYOND = [2**63, -(2**63) - 1, 2**64, 2**70, -(2**70)]
KINDS = [*range(6), *range(8, 14)]


def as_python(name: str) -> ModuleType:
    """The module of `schemas/codec` as Python, whether it is compiled or not."""
    path = Path(ROOT / "schemas" / "codec" / f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"{name}_as_python", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FLAT, NESTED = as_python("flat"), as_python("nested")


def varint(number: int, *, padded: int = 0) -> bytes:
    """Avro's form of an integer of any size; with `padded` more bytes than it takes."""
    number = number << 1 if number >= 0 else (-number << 1) - 1
    out = bytearray()
    while number > 0x7F or padded:
        out.append(number & 0x7F | 0x80)
        number >>= 7
        padded = max(0, padded - 1)
    return bytes([*out, number])


def damaged(rng: random.Random, data: bytes) -> bytes:
    """The bytes as they are, cut off, or with bytes or extreme numbers put in the place of others."""
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        at = rng.randint(0, len(data))
        match rng.randrange(5):
            case 0:
                data = data[:at]
            case 1:
                data = data[:at] + rng.randbytes(rng.randint(1, 3)) + data[at + 1 :]
            case 2:
                data = data[:at] + varint(rng.choice(EDGES + BEYOND), padded=rng.choice((0, 0, 1, 9))) + data[at + 1 :]
            case 3:
                data = data[:at] + data[at + rng.randint(1, 4) :]
            case _:
                data = data + data[at:]
    return data


def value_of(rng: random.Random, kind: int) -> Any:
    """A value of a kind of `flat.py`; one in twenty is of another type or does not fit."""
    if rng.random() < 0.05:
        return rng.choice([None, 1.5, True, "t", b"b", "\ud800", ["a", 1], ("t",), {}, *BEYOND])
    match kind % flat.NULLABLE:
        case flat.STRING:
            return rng.choice(["", "a", "ä" * rng.randint(0, 90), "x" * rng.choice((63, 64, 4095, 4096, 5000))])
        case flat.BYTES:
            return rng.randbytes(rng.randint(0, 70))
        case flat.LONG:
            return rng.choice([rng.choice(EDGES), rng.randint(-(2**63), 2**63 - 1), 1_700_000_000_000])
        case flat.BOOLEAN:
            return rng.random() < 0.5
        case _:
            return [rng.choice(["", "b", "ü" * 40]) for _ in range(rng.randint(0, 4))]


def node_of(rng: random.Random) -> nested.Node:
    """The record of a random schema: nested, nullable, recursive, with items of no size."""
    names: list[str] = []

    def kind(depth: int) -> Any:  # noqa: PLR0911 - one for each type
        simple = ["null", "boolean", "int", "long", "float", "double", "bytes", "string", *names]
        if depth > 3 or rng.random() < 0.5:
            return rng.choice(simple)
        name = f"T{len(names)}_{rng.randrange(10**9)}"
        match rng.randrange(6):
            case 0:
                return {"type": "array", "items": kind(depth + 1)}
            case 1:
                return {"type": "map", "values": kind(depth + 1)}
            case 2:
                return ["null", {"type": "array", "items": kind(depth + 1)}]
            case 3:
                return {"type": "enum", "name": name, "symbols": ["A", "B", "C"][: rng.randint(0, 3)]}
            case 4:
                return {"type": "fixed", "name": name, "size": rng.choice((0, 1, 4, 2**39))}
            case _:
                return record(name, depth)

    def record(name: str, depth: int) -> dict[str, Any]:
        names.append(name)
        fields = [{"name": f"f{number}", "type": kind(depth + 1)} for number in range(rng.randint(0, 3))]
        return {"type": "record", "name": name, "fields": fields}

    return foreign_record(record("Top", 0)).node


def bytes_of(rng: random.Random, node: nested.Node, depth: int = 0) -> bytes:  # noqa: PLR0911 - one for each type
    """Bytes of a value of a type, as far as depth allows."""
    if depth > 8:
        return b"\x00"
    match node.kind:
        case nested.UNION:
            branch = rng.randrange(len(node.parts))
            return varint(branch) + bytes_of(rng, node.parts[branch], depth + 1)
        case nested.RECORD:
            return b"".join(bytes_of(rng, part, depth + 1) for part in node.parts)
        case nested.ARRAY | nested.MAP:
            key = b"\x02k" if node.kind == nested.MAP else b""
            items = [key + bytes_of(rng, node.parts[0], depth + 1) for _ in range(rng.randint(0, 3))]
            block = b"".join(items)
            if not items:
                return b"\x00"
            head = varint(-len(items)) + varint(len(block)) if rng.random() < 0.3 else varint(len(items))
            return head + block + b"\x00"
        case nested.STRING | nested.BYTES:
            text = rng.choice([b"", b"abc", "ä".encode(), b"\xff"])
            return varint(len(text)) + text
        case nested.LONG:
            return varint(rng.choice(EDGES))
        case nested.ENUM:
            return varint(rng.randint(0, 2))
        case nested.FLOAT | nested.DOUBLE:
            return rng.randbytes(4 if node.kind == nested.FLOAT else 8)
        case nested.NULL:
            return b""
        case nested.FIXED:
            return rng.randbytes(min(node.size, 8))
        case _:
            return rng.choice([b"\x00", b"\x01", b"\x02"])


def outcome(call: Callable[[], Any]) -> str:
    """What a call gives or raises, as text: two NaN are equal then."""
    try:
        return repr(call())
    except (DecodeError, OverflowError) as error:
        return f"{type(error).__name__}: {error}" if isinstance(error, DecodeError) else "OverflowError"
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        return type(error).__name__
    except (TypeError, AttributeError):  # which of the two depends on the form; both say that the caller is wrong
        return "another type"


@dataclass(frozen=True, slots=True)
class Compared:
    """How many inputs both forms agreed on, how many of them both refused, and how long the slowest took."""

    inputs: int
    refused: int
    slowest_s: float


def differential(count: int, seed: int) -> Compared:
    """Give `count` inputs to both forms. Raises `AssertionError` with the first input that they take differently."""
    rng = random.Random(seed)
    refused, slowest_s, node = 0, 0.0, node_of(rng)
    for number in range(count):
        if number % 20 == 0:
            node = node_of(rng)
        kinds = bytes(rng.choice(KINDS) for _ in range(rng.randint(0, 6)))
        call: Callable[[ModuleType, ModuleType], Any]
        match rng.randrange(4):
            case 0:
                values = tuple(value_of(rng, kind) for kind in kinds)
                what: Any = ("write", kinds, values)
                call = _writing(kinds, values)
            case 1:
                data = damaged(rng, rng.randbytes(rng.randint(0, 40)))
                what, call = ("read flat", kinds, data), _reading_flat(kinds, data)
            case 2:
                written = _written(rng, kinds)
                data = damaged(rng, written)
                what, call = ("read flat", kinds, data), _reading_flat(kinds, data)
            case _:
                data = damaged(rng, bytes_of(rng, node))
                what, call = ("read nested", node.full_name, node.names, data), _reading_nested(node, data)
        began_s = time.perf_counter()
        compiled = outcome(partial(call, flat, nested))
        python = outcome(partial(call, FLAT, NESTED))
        slowest_s = max(slowest_s, time.perf_counter() - began_s)
        assert compiled == python, f"input {number} of seed {seed}: {what}: {compiled} as in use, {python} as Python"
        refused += compiled.startswith(("DecodeError", "Unicode", "Overflow"))
    return Compared(count, refused, slowest_s)


def _writing(kinds: bytes, values: tuple[Any, ...]) -> Callable[[ModuleType, ModuleType], Any]:
    return lambda flat_form, _: flat_form.write_fields(b"head", kinds, values)


def _reading_flat(kinds: bytes, data: bytes) -> Callable[[ModuleType, ModuleType], Any]:
    return lambda flat_form, _: flat_form.read_fields(data, 0, kinds, UNPACK_DOUBLE)


def _reading_nested(node: nested.Node, data: bytes) -> Callable[[ModuleType, ModuleType], Any]:
    return lambda _, nested_form: nested_form.read_node(data, node)


def _written(rng: random.Random, kinds: bytes) -> bytes:
    written = b""
    for kind in kinds:
        if kind % flat.NULLABLE == flat.DOUBLE:
            written += b"\x02"[: kind // flat.NULLABLE] + rng.randbytes(8)
            continue
        try:
            written += flat.write_fields(b"", bytes([kind]), (value_of(rng, kind),))
        except (TypeError, AttributeError, OverflowError, UnicodeEncodeError):
            written += b"\x02"
    return written


def frames(count: int, seed: int) -> int:
    """Give damaged frames of every record to its codec; return how many it refused. Nothing but `DecodeError` escapes.

    Frames are single-object encoding with a known, unknown, cut or damaged header, and the Confluent wire format.
    """
    rng, refused = random.Random(seed), 0
    codecs = [Codec(each, {1: _recursive(), 2: Codec(each).schema.parsed}.__getitem__) for each in record_types()]
    for _ in range(count):
        codec = rng.choice(codecs)
        whole = bytes_of(rng, foreign_record(codec.schema.parsed).node)
        body = damaged(rng, rng.choice([whole, whole, rng.randbytes(rng.randint(0, 60))]))
        known = b"\xc3\x01" + codec.schema.fingerprint
        head = rng.choice([known, known, known[: rng.randint(0, 10)], b"\xc3\x01" + rng.randbytes(8), b"\x00", b"\xc3"])
        if head == b"\x00":
            head += rng.choice([1, 2, 3]).to_bytes(4, "big")
        try:
            codec.decode(head + body)
        except DecodeError:
            refused += 1
    return refused


def _recursive() -> Any:
    """A schema as a registry may have it: a list of any length, and nulls in any number."""
    fields = [{"name": "nulls", "type": {"type": "array", "items": "null"}}, {"name": "next", "type": ["null", "L"]}]
    return fastavro.parse_schema({"type": "record", "name": "L", "fields": fields}, named_schemas={})


def fastavro_bytes(schema: Any, record: Any) -> bytes:
    """A record as fastavro writes it."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema, named_schemas={}), record)
    return out.getvalue()
