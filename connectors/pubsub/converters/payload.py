"""Avro payloads of Salesforce: a schema's JSON becomes a reader, payload bytes become a dict. Pure.

A payload is bare Avro binary (no container, no magic byte), written with the schema that its event names.

Platform events are flat: numbers, strings and their nullable forms. Every event passes here, so the reader for flat
events is compiled, as for our own records. fastavro reads anything else, such as the nested records of change events; a
property test compares the two. No other module of `connectors` imports fastavro.
"""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import fastavro

from connectors.pubsub.converters.bitmaps import Field
from schemas.codec.compiled import DictReader, dict_reader_for
from schemas.codec.errors import DecodeError

PayloadReader = Callable[[bytes], dict[str, Any]]


class PayloadError(Exception):
    """A schema or a payload is damaged. The message holds no payload data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterSchema:
    """A schema that events name, ready to read their payloads.

    `name` and `full_name` are those of the Avro record, without and with the namespace; `name` is the API name of the
    event. `text` is the schema's JSON. `fields` are the record's fields in schema order. `read` decodes a payload and
    raises `PayloadError` for a damaged one. `frame` is put before a payload in the Confluent wire format; it is empty
    when the schema is not in a registry.
    """

    name: str
    full_name: str
    text: str
    fields: tuple[Field, ...]
    read: PayloadReader
    frame: bytes = b""


def writer_schema(schema_json: str) -> WriterSchema:
    """The schema of this JSON text. Raises `PayloadError` when it is not a usable Avro record schema."""
    named: dict[str, Any] = {}
    try:
        schema = fastavro.parse_schema(json.loads(schema_json), named_schemas=named)
    except Exception as error:  # fastavro raises what the damage leads to: KeyError, SchemaParseException, TypeError …
        raise PayloadError(f"parsing the Avro schema: {type(error).__name__}") from error
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise PayloadError("parsing the Avro schema: it is not a record")
    full_name = str(schema["name"])
    return WriterSchema(
        name=full_name.rpartition(".")[2],
        full_name=full_name,
        text=schema_json,
        fields=_fields(schema, named),
        read=_reader(schema),
    )


def _reader(schema: Any) -> PayloadReader:
    try:
        return _flat_reader(dict_reader_for(schema))
    except NotImplementedError:
        return _any_reader(schema)


def _fields(record: Mapping[str, Any], named: Mapping[str, Any]) -> tuple[Field, ...]:
    """The fields in schema order, one level of nesting deep: bitmaps know no more."""
    return tuple(
        Field(field["name"], tuple(Field(inner["name"]) for inner in _inner(field["type"], named)))
        for field in record["fields"]
    )


def _inner(kind: Any, named: Mapping[str, Any]) -> list[Any]:
    """The fields of the record that a value of this type may be: a record, a name of one, or a union with one."""
    for branch in kind if isinstance(kind, list) else [kind]:
        found = named.get(branch) if isinstance(branch, str) else branch
        if isinstance(found, dict) and found.get("type") == "record":
            return list(found["fields"])
    return []


def _flat_reader(read_fields: DictReader) -> PayloadReader:
    def read(payload: bytes) -> dict[str, Any]:
        try:
            value, at = read_fields(payload)
        except DecodeError as error:
            raise PayloadError(f"decoding {len(payload)} Avro bytes: {type(error.__cause__).__name__}") from error
        _check_end(at, payload)  # also finds a string that is cut off: slices never raise
        return value

    return read


def _any_reader(schema: Any) -> PayloadReader:
    def read(payload: bytes) -> dict[str, Any]:
        stream = io.BytesIO(payload)
        try:
            value: dict[str, Any] = fastavro.schemaless_reader(stream, schema, None)
        except Exception as error:  # as above
            raise PayloadError(f"decoding {len(payload)} Avro bytes: {type(error).__name__}") from error
        _check_end(stream.tell(), payload)
        return value

    return read


def _check_end(at: int, payload: bytes) -> None:
    if at != len(payload):
        # left-over bytes mean that another schema wrote the payload: the fields just read may be wrong
        raise PayloadError(f"decoding {len(payload)} Avro bytes: the fields end at {at}")
