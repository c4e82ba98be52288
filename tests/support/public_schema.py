"""Payloads made from the public schema of outbound events: valid by construction, every text in them unique.

The file is Salesforce's and not part of this project; `BYOC_PUBLIC_SCHEMA` names it. Where the schema has a base type
with a discriminator, its subtypes are those that name the base in `allOf`; the discriminator's value is the one in the
mapping, else the subtype's name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import yaml
from pydantic_settings import BaseSettings, SettingsConfigDict

_NAME = "outbound-custom-event-payload.yaml"
_PREFIX = "#/components/schemas/"
_DEEPEST = 14  # the types of values contain each other

Json = dict[str, Any]


class SchemaFile(BaseSettings):
    """Where the public schema is."""

    model_config = SettingsConfigDict(env_prefix="BYOC_")

    public_schema: Path = Path(__file__).parents[3] / "shared" / "reference" / "data" / _NAME


class Mode(Enum):
    """Which of the optional fields a payload has."""

    REQUIRED = "required fields only"
    FULL = "all fields"
    NULLS = "optional fields null"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a payload is to be: `picks` names the subtype for a base type, `turn` chooses among the others."""

    mode: Mode
    turn: int
    picks: dict[str, str]


class PublicSchema:
    """The schemas of the file, and payloads of them."""

    def __init__(self, path: Path) -> None:
        self.schemas: dict[str, Json] = yaml.safe_load(path.read_text(encoding="utf-8"))["components"]["schemas"]
        self._texts = 0
        self._bases = {
            name: (base, value)
            for base, schema in self.schemas.items()
            if "discriminator" in schema
            for value, name in self.subtypes(base).items()
        }

    def enum(self, name: str) -> list[str]:
        """The values of an enumeration."""
        return list(self.schemas[name]["enum"])

    def subtypes(self, base: str) -> dict[str, str]:
        """The schemas of a base type by the value of its discriminator."""
        mapping: dict[str, str] = self.schemas[base].get("discriminator", {}).get("mapping", {})
        found = {value: ref.removeprefix(_PREFIX) for value, ref in mapping.items()}
        for name, schema in self.schemas.items():
            bases = [part.get("$ref", "").removeprefix(_PREFIX) for part in schema.get("allOf", [])]
            if base in bases and name not in found.values():
                found[name] = name
        return found

    def make(self, name: str, choice: Choice) -> Any:
        """A valid value of a schema."""
        return self._named(name, choice, 0)

    def entry(self, entry_type: str, choice: Choice) -> Json:
        """A valid entryPayload of a type that the schema describes."""
        made: Json = self._subtype("AbstractEntry", entry_type, choice, 2)
        return made

    def has_message(self, name: str) -> bool:
        """True when a schema has a property that is a message."""
        properties, _ = self._fields(self.schemas[name])
        return any(each.get("$ref", "").endswith("/AbstractMessage") for each in properties.values())

    def _named(self, name: str, choice: Choice, depth: int) -> Any:
        schema = self.schemas[name]
        if name in self._bases:  # a subtype by its own name
            base, value = self._bases[name]
            return self._subtype(base, value, choice, depth)
        subtypes = self.subtypes(name) if "discriminator" in schema else {}
        if not subtypes:
            return self._value(schema, choice, depth, name)
        wanted = choice.picks.get(name)
        value = wanted if wanted in subtypes else sorted(subtypes)[choice.turn % len(subtypes)]
        if depth > _DEEPEST and name == "AbstractValue":
            value = "TextValue"
        return self._subtype(name, value, choice, depth)

    def _subtype(self, base: str, value: str, choice: Choice, depth: int) -> Any:
        made = self._value(self.schemas[self.subtypes(base)[value]], choice, depth, base)
        made[self.schemas[base]["discriminator"]["propertyName"]] = value
        return made

    def _value(self, schema: Json, choice: Choice, depth: int, name: str) -> Any:
        if "$ref" in schema:
            return self._named(schema["$ref"].removeprefix(_PREFIX), choice, depth)
        if "enum" in schema:
            return schema["enum"][choice.turn % len(schema["enum"])]
        properties, required = self._fields(schema)
        if properties or schema.get("type") == "object":
            return self._object(properties, required, choice, depth)
        if schema.get("type") == "array":
            return self._array(schema["items"], choice, depth, name)
        return self._leaf(schema, name)

    def _leaf(self, schema: Json, name: str) -> Any:
        match schema.get("type"):
            case "integer" | "int" | "number" | "float" | "double":
                return 1_767_225_600_000 if schema.get("format") == "int64" else 7
            case "boolean":
                return True
            case _:
                self._texts += 1
                return f"{name}-{self._texts}~"

    def _fields(self, schema: Json) -> tuple[dict[str, Json], set[str]]:
        """All properties and the names of those that are required, through `allOf`."""
        properties, required = dict(schema.get("properties", {})), set(schema.get("required", []))
        for part in schema.get("allOf", []):
            more, needed = self._fields(self.schemas[part["$ref"].removeprefix(_PREFIX)] if "$ref" in part else part)
            properties |= more
            required |= needed
        return properties, required

    def _object(self, properties: dict[str, Json], required: set[str], choice: Choice, depth: int) -> Json:
        made: Json = {}
        for name, schema in properties.items():
            if name in required or (choice.mode is Mode.FULL and depth <= _DEEPEST):
                made[name] = self._value(schema, choice, depth + 1, name)
            elif choice.mode is Mode.NULLS:
                made[name] = None
        return made

    def _array(self, items: Json, choice: Choice, depth: int, name: str) -> list[Any]:
        """One item; of a base type one of each subtype, once."""
        base = items.get("$ref", "").removeprefix(_PREFIX)
        schema = self.schemas.get(base, {})
        if choice.mode is Mode.FULL and "discriminator" in schema and base != "AbstractValue":
            return [self._subtype(base, value, choice, depth + 1) for value in sorted(self.subtypes(base))]
        return [self._value(items, choice, depth + 1, name)]


@dataclass(frozen=True, slots=True)
class Shape:
    """One generated payload and what it is."""

    event_type: str
    entry_type: str
    message_type: str | None
    format_type: str | None
    mode: Mode
    turn: int
    payload: Json

    @property
    def kind(self) -> str:
        """Entry type, message type and format in one word."""
        return "/".join(each for each in (self.entry_type, self.message_type, self.format_type) if each)


MESSAGE_TURNS = 16  # the largest base type, AbstractValue, has 15 subtypes
TURNS = 6  # the largest enumeration of an envelope, ParticipantRole, has 6 values


def _choices(picks: dict[str, str], turns: int = TURNS) -> Iterator[Choice]:
    yield Choice(Mode.REQUIRED, 0, picks)
    yield Choice(Mode.NULLS, 0, picks)
    for turn in range(turns):
        yield Choice(Mode.FULL, turn, picks)


def message_kinds(schema: PublicSchema) -> Iterator[tuple[str | None, str | None, dict[str, str]]]:
    """(messageType, formatType, picks) of every pair that the schema allows."""
    for message_type, name in sorted(schema.subtypes("AbstractMessage").items()):
        content = next(
            ref.removeprefix(_PREFIX)
            for part in schema.schemas[name]["allOf"]
            for ref in [each.get("$ref", "") for each in part.get("properties", {}).values()]
            if "formatType" in schema.schemas[ref.removeprefix(_PREFIX)].get("properties", {})
        )
        for format_type in sorted(schema.subtypes(content)):
            yield message_type, format_type, {"AbstractMessage": message_type, content: format_type}


def interactions(schema: PublicSchema) -> Iterator[Shape]:
    """Every entry type of the enumeration; those with a message once per message type and format."""
    described = schema.subtypes("AbstractEntry")
    for entry_type in schema.enum("EntryType"):
        kinds: list[tuple[str | None, str | None, dict[str, str]]] = [(None, None, {})]
        if entry_type in described and schema.has_message(described[entry_type]):
            kinds = [*message_kinds(schema)]
        for message_type, format_type, picks in kinds:
            for choice in _choices(picks, MESSAGE_TURNS if entry_type == "Message" else TURNS):
                payload = schema.make("InteractionEvent", choice)
                body = schema.entry(entry_type, choice) if entry_type in described else {}
                payload["payload"] |= {"entryType": entry_type, "entryPayload": {**body, "entryType": entry_type}}
                yield Shape("Interaction", entry_type, message_type, format_type, choice.mode, choice.turn, payload)


def routing_requests(schema: PublicSchema) -> Iterator[Shape]:
    """`RoutingRequested` payloads with each routing type."""
    for choice in _choices({}):
        payload = schema.make("RoutingRequested", choice)
        yield Shape("RoutingRequested", "RoutingRequested", None, None, choice.mode, choice.turn, payload)
