"""Random Avro schemas, and bytes that fit them: what a stranger's schema and payload can look like."""

import json
import random
import struct
from collections.abc import Sequence
from typing import Any

from tests.fuzz.mutators import NUMBERS, changed_json, of_bytes

_PLAIN = ("boolean", "int", "long", "float", "double", "bytes", "string", "null")
_LOGICAL: tuple[dict[str, Any], ...] = (
    {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "long", "logicalType": "local-timestamp-millis"},
    {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2},
    {"type": "bytes", "logicalType": "decimal", "precision": 0, "scale": -1},
    {"type": "string", "logicalType": "uuid"},
    {"type": "string", "avro.java.string": "String"},
    {"type": "string", "logicalType": "no-such-type"},
)
_LONGS = [
    int(each) for each in NUMBERS if len(each) < 20 and each.lstrip("-").isdigit() and -(2**63) <= int(each) < 2**63
]
_DEEPEST = 4


class Schemas:
    """Makes one schema and payloads of it."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._named: dict[str, Any] = {}

    def record(self, depth: int = 0) -> dict[str, Any]:
        """A record schema; its name is known to what is inside of it."""
        name = f"R{len(self._named)}" if depth else "Event__e"
        made: dict[str, Any] = {"type": "record", "name": name, "fields": []}
        if not depth:
            made["namespace"] = "com.sforce.eventbus"
        self._named[name] = made
        for number in range(self._rng.choice((1, 1, 2, 3, 6))):
            field: dict[str, Any] = {"name": f"F{number}__c", "type": self.kind(depth + 1)}
            if self._rng.random() < 0.1:
                field["default"] = self._rng.choice((None, 0, "", [], {}, "x" * 40, 1e400))
            made["fields"].append(field)
        return made

    def kind(self, depth: int) -> Any:  # noqa: PLR0911  a line for each kind
        """A type."""
        rng = self._rng
        choice = rng.randrange(7 if depth > _DEEPEST else 14)
        if choice < 4:
            return rng.choice(_PLAIN)
        if choice < 6:
            return ["null", rng.choice(_PLAIN[:-1])]
        if choice == 6:
            return dict(rng.choice(_LOGICAL))
        if choice == 7:
            return {"type": "array", "items": self.kind(depth + 1)}
        if choice == 8:
            return {"type": "map", "values": self.kind(depth + 1)}
        if choice == 9:
            return self._own({"type": "enum", "symbols": ["A", "B", "C"]})
        if choice == 10:
            return self._own({"type": "fixed", "size": rng.choice((0, 1, 12, 1_000_000))})
        if choice == 11:
            return self.record(depth)
        if choice == 12 and self._named:
            return ["null", rng.choice(sorted(self._named))]
        return ["null", self._branch(depth + 1)]

    def _branch(self, depth: int) -> Any:
        found = self.kind(depth)
        return found if not isinstance(found, list) and found != "null" else "string"

    def _own(self, made: dict[str, Any]) -> dict[str, Any]:
        made["name"] = f"R{len(self._named)}"
        self._named[made["name"]] = made
        return made

    def value(self, kind: Any, depth: int = 0) -> bytes:  # noqa: PLR0911  a line for each kind
        """Bytes of a value of a type."""
        rng = self._rng
        if isinstance(kind, list):
            at = 0 if depth > 12 else rng.randrange(len(kind))
            return long_bytes(at) + self.value(kind[at], depth + 1)
        if isinstance(kind, str) and kind in self._named:
            kind = self._named[kind]
        word = kind["type"] if isinstance(kind, dict) else kind
        match word:
            case "record":
                return b"".join(self.value(field["type"], depth + 1) for field in kind["fields"])
            case "array":
                return self._block([self.value(kind["items"], depth + 1) for _ in range(rng.randrange(3))])
            case "map":
                pairs = [b"\x02k" + self.value(kind["values"], depth + 1) for _ in range(rng.randrange(3))]
                return self._block(pairs)
            case "enum":
                return long_bytes(rng.randrange(len(kind["symbols"])))
            case "fixed":
                return bytes(kind["size"])
        return self._plain(word)

    def _block(self, items: list[bytes]) -> bytes:
        return long_bytes(len(items)) + b"".join(items) + (b"\x00" if items else b"")

    def _plain(self, word: str) -> bytes:
        rng = self._rng
        match word:
            case "null":
                return b""
            case "boolean":
                return bytes([rng.randrange(2)])
            case "int" | "long":
                return long_bytes(rng.choice(_LONGS))
            case "float":
                return struct.pack("<f", rng.choice((0.0, 1.5, float("inf"), float("nan"))))
            case "double":
                return struct.pack("<d", rng.choice((0.0, 1.5, float("inf"), float("nan"), 1e308)))
        text = rng.choice((b"", b"x", "é😀".encode(), b"2026-05-04", b"\xff", b"x" * 200))
        return long_bytes(len(text)) + text


def long_bytes(value: int) -> bytes:
    """Avro's form of a 64-bit integer."""
    number = (value << 1) ^ (value >> 63)
    out = bytearray()
    while number & ~0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def of_schema_and_payload(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """The JSON text of a schema, a zero byte, a payload; half of the payloads are damaged, some of the schemas."""
    if rng.random() < 0.2:
        text, _, payload = rng.choice(corpus).partition(b"\x00")
    else:
        schemas = Schemas(rng)
        record = schemas.record()
        text, payload = json.dumps(record).encode(), schemas.value(record)
    if rng.random() < 0.5:
        payload = of_bytes(rng, [payload, *(each.partition(b"\x00")[2] for each in corpus)])
    if rng.random() < 0.1:
        text = changed_json(rng, text, rng.choice(corpus).partition(b"\x00")[0]).replace(b"\x00", b"")
    return text + b"\x00" + payload
