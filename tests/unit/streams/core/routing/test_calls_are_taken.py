"""Every call that the core makes is one that the simulated service takes: its own reading of the API, not ours."""

from collections.abc import Callable
from typing import Any

from schemas.records import SalesforceCall
from simulator.service import request_bodies as bodies
from streams.core.model.rules import Rules
from streams.core.routing.operations import OPERATIONS
from tests.support.domain import (
    END_USER,
    REP,
    SECOND,
    WORK_ITEM,
    Partition,
    answered,
    command,
    decision,
    entry,
    message,
    participant,
    receipt,
    requested,
    result,
    session,
)

READERS: dict[tuple[str, str], Callable[[bytes], Any]] = {
    ("routingResult", "POST"): bodies.read_routing_result,
    ("route", "POST"): bodies.read_route,
    ("route", "DELETE"): bodies.read_unroute,
    ("agentWork", "POST"): bodies.read_work,
    ("agentWork", "PATCH"): bodies.read_work_change,
    ("participant", "POST"): bodies.read_removal,
    ("messagingSession", "POST"): bodies.read_session,
    ("acknowledgement", "POST"): bodies.read_acknowledgements,
}
RULES = Rules(work_calls=True, remove_rerouted=True, partner_commands=True, acknowledged_channels=frozenset({"*"}))


def every_call() -> list[SalesforceCall]:
    """A queue request that is declined and offered again, a flow that is withdrawn, receipts, commands."""
    partition = Partition(RULES)
    partition.read(session("Active"))
    partition.read(message())
    partition.read(requested("r1", userId=None, queueId="00GHs00000Que12"))
    partition.read(decision(user_id=REP + "IAV", decision_id="d1"))
    partition.read(entry("RoutingWorkResult", {"workType": "Declined"}, at=3 * SECOND))
    partition.read(decision(user_id="005Hs00000Other", decision_id="d2", at=4 * SECOND))
    partition.read(result(at=5 * SECOND))
    partition.read(participant("add", "005Hs00000Other", at=6 * SECOND))
    flow = {"userId": None, "flowId": "300Hs00000Flo12", "queueId": "00GHs00000Que12"}
    partition.read(requested("r2", at=7 * SECOND, **flow))
    partition.read(decision(request_id="r2", user_id=REP, decision_id="d3", at=8 * SECOND))
    offer = next(call for call in partition.calls if call.api == "agentWork" and call.request_id == "r2")
    partition.read(answered(offer, at=9 * SECOND, agentWorkId="0BzHs00000Awk12"))
    partition.read(result("Cancelled", at=10 * SECOND, cancelReason="EndUserEnded"))
    partition.read(requested("r3", at=11 * SECOND))
    partition.read(decision("refuse", request_id="r3", decision_id="d4", at=12 * SECOND))
    partition.read(receipt("read"))
    for number, word in enumerate(("end_session", "inactivate_session", "remove_participant")):
        partition.read(command(word, command_id=f"c{number}", user_id=REP + "IAV", on_behalf_of="System"))
    return partition.calls


def test_the_simulated_service_takes_every_call_that_the_core_makes() -> None:
    calls = every_call()
    read = {(call.api, call.method): READERS[call.api, call.method](call.body.encode()) for call in calls}
    assert read.keys() == READERS.keys() == {(row.api, row.method) for row in OPERATIONS.values()}
    work, session_ask = read["agentWork", "POST"], read["messagingSession", "POST"]
    assert work.work_item_id == WORK_ITEM
    assert (session_ask.end_user_subject, session_ask.session_id) == (END_USER, WORK_ITEM)
