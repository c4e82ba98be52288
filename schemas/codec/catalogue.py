"""The `.avsc` files: every version of every record schema, by record type and by fingerprint."""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, get_args

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

from schemas import records

RecordType = type[records.Record]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaVersion:
    """One `.avsc` file. `fingerprint` is the CRC-64-AVRO of its canonical form, little-endian, as on the wire."""

    name: str
    version: int
    text: str
    parsed: Any
    fingerprint: bytes


def record_types() -> tuple[RecordType, ...]:
    """Return every record type that has a schema."""
    return get_args(records.Record)


@cache
def versions(name: str) -> tuple[SchemaVersion, ...]:
    """Return all versions of one record schema, oldest first."""
    found = []
    for file in resources.files("schemas").joinpath("avro").iterdir():
        record, _, rest = file.name.partition(".v")
        if record == name and rest.endswith(".avsc"):
            text = file.read_text(encoding="utf-8")
            found.append(_load(name, int(rest.removesuffix(".avsc")), text))
    return tuple(sorted(found, key=lambda schema: schema.version))


def newest(record_type: RecordType) -> SchemaVersion:
    """Return the version that is written."""
    return versions(record_type.__name__)[-1]


def _load(name: str, version: int, text: str) -> SchemaVersion:
    schema = json.loads(text)
    crc = fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")
    return SchemaVersion(
        name=name,
        version=version,
        text=text,
        parsed=fastavro.parse_schema(schema),
        fingerprint=bytes.fromhex(crc),
    )
