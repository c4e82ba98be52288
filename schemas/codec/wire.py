"""Framing: which schema wrote these bytes, and the codec for it.

Written: Avro single-object encoding, `C3 01`, the schema's CRC-64-AVRO fingerprint (little-endian), Avro binary
(Avro 1.11 specification, "Single-object encoding"). Read: that, and the Confluent wire format, `00`, a four-byte
big-endian schema id, Avro binary, when a lookup for registry ids is given.
"""

import io
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import fastavro
import msgspec

from schemas import records
from schemas.codec import catalogue, compiled
from schemas.codec.errors import DecodeError
from schemas.codec.foreign import SchemaError, foreign_record

SINGLE_OBJECT = b"\xc3\x01"
CONFLUENT = 0x00
_HEADER_LENGTH = 10  # marker 2, fingerprint 8

R = TypeVar("R", bound=msgspec.Struct)
SchemaOfId = Callable[[int], Any]


class Codec:
    """Writes and reads the records of one type. Stateless after construction; safe to share."""

    def __init__(self, record_type: type[records.Record], schema_of_id: SchemaOfId | None = None) -> None:
        """`schema_of_id` maps a registry's schema id to a parsed schema, and may raise `KeyError`."""
        schema = catalogue.newest(record_type)
        self.record_type = record_type
        self.schema = schema
        self.encode: Callable[[Any], bytes] = compiled.writer_for(schema.parsed, SINGLE_OBJECT + schema.fingerprint)
        self._header = SINGLE_OBJECT + schema.fingerprint
        self._read = compiled.reader_for(schema.parsed, record_type)
        self._schema_of_id = schema_of_id
        self._older = {old.fingerprint: old.parsed for old in catalogue.versions(record_type.__name__)[:-1]}

    def decode(self, data: bytes) -> Any:
        """The record in `data`. Raises `DecodeError` for another schema, another framing or damaged bytes."""
        if data[:_HEADER_LENGTH] == self._header:
            return self._read(data, _HEADER_LENGTH)
        if data[:2] == SINGLE_OBJECT:
            writer = self._older.get(data[2:_HEADER_LENGTH])
            if writer is None:
                found = data[2:_HEADER_LENGTH].hex()
                raise DecodeError(f"reading {self.record_type.__name__}: fingerprint {found} is no version of it")
            return self._resolved(writer, data, _HEADER_LENGTH)
        if len(data) > 5 and data[0] == CONFLUENT:
            writer = self._registered(int.from_bytes(data[1:5], "big"))
            self._check_bounds(writer, data[5:])
            return self._resolved(writer, data, 5)
        raise DecodeError(
            f"reading {self.record_type.__name__}: {len(data)} bytes starting {data[:2].hex() or 'nothing'} are neither"
            " Avro single-object encoding (c301) nor the Confluent wire format (00)"
        )

    def _registered(self, schema_id: int) -> Any:
        if self._schema_of_id is None:
            raise DecodeError(
                f"reading {self.record_type.__name__}: written with registry schema {schema_id}, but no schema registry"
                " is configured"
            )
        try:
            return self._schema_of_id(schema_id)
        except KeyError as error:
            raise DecodeError(
                f"reading {self.record_type.__name__}: the schema registry knows no schema {schema_id}"
            ) from error

    def _check_bounds(self, writer: Any, data: bytes) -> None:
        """Read once within bounds what another schema wrote: fastavro, which resolves it, has none."""
        try:
            foreign_record(writer).read(data)
        except (SchemaError, DecodeError) as error:
            raise DecodeError(f"reading {self.record_type.__name__}: {error}") from error

    def _resolved(self, writer: Any, data: bytes, at: int) -> Any:
        try:
            value = fastavro.schemaless_reader(io.BytesIO(data[at:]), writer, self.schema.parsed)
        except Exception as error:  # fastavro raises what the damage provokes: EOFError, KeyError, IndexError …
            raise DecodeError(f"reading {self.record_type.__name__}: {error!r}") from error
        return self.record_type(**value)


@cache
def codec_for(record_type: Any) -> Codec:
    """The codec of a record type (a class of `schemas.records`), without a registry."""
    return Codec(record_type)


def encode(record: records.Record) -> bytes:
    """A record in Avro single-object encoding, written with the newest version of its schema."""
    return codec_for(type(record)).encode(record)


def decode(record_type: type[R], data: bytes) -> R:
    """The record in `data`, which must be of `record_type`. Raises `DecodeError`."""
    record: R = codec_for(record_type).decode(data)
    return record
