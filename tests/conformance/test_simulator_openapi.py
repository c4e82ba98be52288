"""The OpenAPI document describes every call, and real replies are what it says."""

from typing import Any

import jsonschema
import pytest

from simulator.faults.fault import AnyFault
from simulator.server import Simulator
from simulator.settings import Settings
from simulator.web.admin import Admin
from tests.support.faulty_org import Org, faulty
from tests.support.pubsub_client import TOPIC

ROWS = [
    pytest.param(row.method, row.path, id=f"{row.method} {row.path}")
    for row in Admin(Simulator(Settings()).org, Simulator(Settings()).scenarios).endpoints()
]
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/v1/scenario"): {"events": 20, "rate": 0},
    ("POST", "/v1/tokens/revoke"): {},
    ("POST", "/v1/topics"): {"topic": "/event/All__chn", "members": [TOPIC]},
    ("POST", "/v1/topics/{kind}/{name}/events"): {"payload": {"conversationIdentifier": "cv-1"}},
    ("POST", "/v1/changes"): {"entity": "Account", "record_ids": ["001Hs00000AbCdEIAV"], "fields": {"Phone": "1"}},
    ("POST", "/v1/faults"): {"do": "fail", "error_code": "service.unavailable"},
    ("POST", "/v1/clock/advance"): {"seconds": 1},
    ("POST", "/v1/managed-subscriptions"): {"developer_name": "Two", "topic": TOPIC},
    ("PATCH", "/v1/managed-subscriptions/{developer_name}"): {"state": "STOP"},
}
PARTS = {"kind": "event", "name": "ByocOutbound__e", "id": "fault-1", "developer_name": "One"}


def resolved(document: dict[str, Any], schema: Any) -> Any:
    return {"components": document["components"], **schema}


async def prepared(org: Org) -> dict[str, Any]:
    org.publish(2)
    await org.order("slow", seconds=0)
    if "/v1/managed-subscriptions" in (document := (await org.call("GET", "/openapi.json"))[1])["paths"]:
        await org.call("POST", "/v1/managed-subscriptions", json={"developer_name": "One", "topic": TOPIC})
    return document  # type: ignore[no-any-return]  # JSON


@pytest.mark.parametrize(("method", "path"), ROWS)
async def test_a_reply_is_what_the_document_says(method: str, path: str) -> None:
    async with faulty(entities=("Account",)) as org:
        document = await prepared(org)
        operation = document["paths"][path][method.lower()]
        body = BODIES.get((method, path))
        options = {"json": body} if body is not None else {}
        status, reply = await org.call(method, path.format(**PARTS), **options)
    [described] = [code for code in operation["responses"] if code.startswith("2")]
    assert status == int(described), reply
    schema = operation["responses"][described]["content"]["application/json"]["schema"]
    jsonschema.validate(reply, resolved(document, schema))
    if body is not None:
        jsonschema.validate(body, resolved(document, operation["requestBody"]["content"]["application/json"]["schema"]))
    assert operation["summary"]


async def test_the_document_names_every_fault_and_explains_it() -> None:
    async with faulty() as org:
        document = await prepared(org)
    order = document["paths"]["/v1/faults"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    mapping = order["discriminator"]["mapping"]
    faults = {kind.__struct_config__.tag for kind in AnyFault.__args__}  # type: ignore[attr-defined]  # a union
    assert set(mapping) == faults
    for ref in mapping.values():
        assert document["components"]["schemas"][ref.rpartition("/")[2]]["description"]


async def test_an_error_is_what_the_document_says() -> None:
    async with faulty() as org:
        document = await prepared(org)
        status, reply = await org.call("GET", "/v1/ledger", params={"after": "x"})
        schema = document["paths"]["/v1/ledger"]["get"]["responses"]["400"]["content"]["application/json"]["schema"]
    assert status == 400
    jsonschema.validate(reply, resolved(document, schema))
    assert {parameter["name"] for parameter in document["paths"]["/v1/ledger"]["get"]["parameters"]} == {
        "after",
        "limit",
    }
