"""Avro payloads of Salesforce: a schema's JSON becomes a reader, payload bytes become a dict. Pure.

A payload is bare Avro binary (no container, no magic byte), written with the schema that its event names.

Schema and payload come from outside and may be anything. Both are read by `schemas.codec.foreign`, within bounds of
depth and number; values of logical types stay what is written (a date is a number), so none is out of range. Platform
events are flat, and every event passes here: their reader is compiled.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from connectors.pubsub.converters.bitmaps import Field
from schemas.codec import nested
from schemas.codec.compiled import DictReader
from schemas.codec.errors import DecodeError
from schemas.codec.foreign import SchemaError, foreign_record
from schemas.codec.nested import Node

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
    try:
        record = foreign_record(json.loads(schema_json))
    except SchemaError as error:
        raise PayloadError(f"parsing the Avro schema: {error}") from error
    except (ValueError, RecursionError) as error:  # no JSON, or JSON that is nested a thousand deep
        raise PayloadError(f"parsing the Avro schema: {type(error).__name__}") from error
    return WriterSchema(
        name=record.node.full_name.rpartition(".")[2],
        full_name=record.node.full_name,
        text=schema_json,
        fields=_fields(record.node),
        read=_reader(record.read),
    )


def _fields(record: Node) -> tuple[Field, ...]:
    """The fields in schema order, one level of nesting deep: bitmaps know no more."""
    return tuple(
        Field(name, tuple(Field(inner) for inner in _inner(part)))
        for name, part in zip(record.names, record.parts, strict=True)
    )


def _inner(node: Node) -> list[str]:
    """The names of the fields of the record that a value of this type may be."""
    for branch in node.parts if node.kind == nested.UNION else [node]:
        if branch.kind == nested.RECORD:
            return branch.names
    return []


def _reader(read_fields: DictReader) -> PayloadReader:
    def read(payload: bytes) -> dict[str, Any]:
        try:
            value, at = read_fields(payload)
        except DecodeError as error:
            raise PayloadError(f"decoding {len(payload)} Avro bytes: {type(error.__cause__).__name__}") from error
        _check_end(at, payload)  # also finds a string that is cut off: slices never raise
        return value

    return read


def _check_end(at: int, payload: bytes) -> None:
    if at != len(payload):
        # left-over bytes mean that another schema wrote the payload: the fields just read may be wrong
        raise PayloadError(f"decoding {len(payload)} Avro bytes: the fields end at {at}")
