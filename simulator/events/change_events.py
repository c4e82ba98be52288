"""Change events (Change Data Capture) of an entity: their schema, and the bitmaps that say which fields changed.

An entity here has a few fields of each kind that the schemas of an org have: plain and numeric ones, times as
milliseconds, an address as a nested record, and a name that is null, a text or a record (the three-branch union of
accounts that may be persons). Names and positions of a real org's fields differ.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from simulator.events.event_schema import DeclaredSchema, Json, PayloadError

HEADER = "ChangeEventHeader"
ALL_CHANGES = "/data/ChangeEvents"
FIRST_COMMIT_NUMBER = 2**60 + 1  # a float would round it

ChangeType = Literal[
    "CREATE",
    "UPDATE",
    "DELETE",
    "UNDELETE",
    "GAP_CREATE",
    "GAP_UPDATE",
    "GAP_DELETE",
    "GAP_UNDELETE",
    "GAP_OVERFLOW",
    "SNAPSHOT",
]
_NAME_PARTS = ("LastName", "FirstName", "Salutation")
_ADDRESS_PARTS = ("Street", "City", "PostalCode", "Country")


class EntityChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change. `fields`: new values by name, a compound field as an object; `nulled`: `Phone`, `Name.FirstName`.

    A GAP_* event says that something changed and not what: it has no fields.
    """

    entity: Annotated[str, Meta(pattern=r"^[A-Za-z]\w*$")]
    change_type: ChangeType = "UPDATE"
    record_ids: Annotated[list[str], Meta(min_length=1)]
    fields: dict[str, Any] = {}
    nulled: list[str] = []
    change_origin: str = "com/salesforce/api/rest/61.0"


def change_topic(entity: str) -> str:
    """Return the topic of an entity: `/data/AccountChangeEvent`, `/data/Order__ChangeEvent` for Order__c."""
    return f"/data/{entity.removesuffix('c') if entity.endswith('__c') else entity}ChangeEvent"


class ChangeEventSchema(DeclaredSchema):
    """The schema of an entity's change events."""

    def __init__(self, entity: str) -> None:
        """`entity` is the name of an object, such as `Account` or `Order__c`."""
        topic = change_topic(entity)
        self._kinds: dict[str, Any] = {
            HEADER: _header_schema(),
            "Name": ["null", "string", _parts("Switchable_PersonName", _NAME_PARTS)],
            "Phone": ["null", "string"],
            "BillingAddress": ["null", _parts("Address", _ADDRESS_PARTS)],
            "ShippingAddress": ["null", "Address"],
            "NumberOfEmployees": ["null", "int"],
            "AnnualRevenue": ["null", "double"],
            "IsActive": ["null", "boolean"],
            "LastModifiedDate": ["null", "long"],
        }
        self._compound = {"Name": _NAME_PARTS, "BillingAddress": _ADDRESS_PARTS, "ShippingAddress": _ADDRESS_PARTS}
        definition = {
            "name": topic.removeprefix("/data/"),
            "namespace": "com.sforce.eventbus",
            "type": "record",
            "fields": [
                {"name": name, "type": kind} | ({} if name == HEADER else {"default": None})
                for name, kind in self._kinds.items()
            ],
        }
        super().__init__(topic, json.dumps(definition, separators=(",", ":")))

    def encode_change(
        self, change: EntityChange, *, transaction_key: str, commit_number: int, commit_timestamp: int
    ) -> bytes:
        """Return a change as bare Avro binary. Raises `PayloadError` for an unknown field or a wrong value."""
        if change.change_type.startswith("GAP_") and (change.fields or change.nulled):
            raise PayloadError(f"encoding a {change.change_type} of {change.entity}: a gap event has no fields")
        update = change.change_type == "UPDATE"  # all others say nothing about which fields changed
        header = {
            "entityName": change.entity,
            "recordIds": change.record_ids,
            "changeType": change.change_type,
            "changeOrigin": change.change_origin,
            "transactionKey": transaction_key,
            "sequenceNumber": 1,
            "commitTimestamp": commit_timestamp,
            "commitNumber": commit_number,
            "commitUser": "005Hs00000SimAB",
            "nulledFields": self._bitmaps(change.nulled),
            "diffFields": [],
            "changedFields": self._bitmaps([*_names(change.fields), *change.nulled]) if update else [],
        }
        record: Json = dict.fromkeys(self._kinds) | {HEADER: header}
        for name, value in change.fields.items():
            parts = self._compound.get(name, ())
            record[name] = dict.fromkeys(parts) | value if isinstance(value, dict) else value
        return self.encode_record(record)

    def _bitmaps(self, names: Iterable[str]) -> list[str]:
        """One bitmap of the record's own fields, then one for each compound field with changes within."""
        top, within = 0, dict.fromkeys(self._kinds, 0)
        for name in names:
            parent, _, part = name.partition(".")
            if part:
                within[parent] |= 1 << self._place(part, self._compound.get(parent, ()))
            else:
                top |= 1 << self._place(name, tuple(self._kinds))
        nested = [f"{place}-0x{bits:X}" for place, bits in enumerate(within.values()) if bits]
        return ([f"0x{top:X}"] if top else []) + nested

    def _place(self, name: str, among: tuple[str, ...]) -> int:
        if name not in among:
            raise PayloadError(f"encoding a change of {self.topic}: there is no field {name}")
        return among.index(name)


def _names(fields: Mapping[str, Any]) -> list[str]:
    return [
        full
        for name, value in fields.items()
        for full in ([f"{name}.{part}" for part in value] if isinstance(value, dict) else [name])
    ]


def _parts(record: str, parts: Iterable[str]) -> Json:
    return {
        "name": record,
        "type": "record",
        "fields": [{"name": part, "type": ["null", "string"], "default": None} for part in parts],
    }


def _header_schema() -> Json:
    texts = {"type": "array", "items": "string"}
    kinds: dict[str, Any] = {
        "entityName": "string",
        "recordIds": texts,
        "changeType": {"name": "ChangeType", "type": "enum", "symbols": list(ChangeType.__args__)},  # type: ignore[attr-defined]  # a Literal
        "changeOrigin": "string",
        "transactionKey": "string",
        "sequenceNumber": "int",
        "commitTimestamp": "long",
        "commitNumber": "long",
        "commitUser": "string",
        "nulledFields": texts,
        "diffFields": texts,
        "changedFields": texts,
    }
    return {
        "name": HEADER,
        "type": "record",
        "fields": [{"name": name, "type": kind} for name, kind in kinds.items()],
    }
