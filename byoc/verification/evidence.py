"""Read what was published, what the topics hold (`read_committed`) and what the partner received."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from byoc.kafka.read import read_committed
from byoc.partner.received import Line, read_lines
from byoc.system.http import get_json
from connectors.sinks.interaction.journal import Intent, intents
from schemas import records
from schemas.codec import decode
from schemas.topics import Topics

LEDGER_PAGE = 10_000
R = TypeVar("R", bound=msgspec.Struct)


class Published(msgspec.Struct, frozen=True):
    """One event of the simulator's ledger. `expect` says where it must end (`simulator.events.expectation`)."""

    event_uuid: str
    replay_id: bytes
    conversation_id: str
    seq: int
    entry_type: str | None
    duplicate_of_seq: int | None
    expect: str
    request_id: str | None


class Concluded(msgspec.Struct, frozen=True):
    """How a routing request ended for Salesforce; `concluded` is None while it is open."""

    event_uuid: str
    concluded: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a verdict is made from. Records of a topic are in order per conversation."""

    published: list[Published]
    concluded: list[Concluded]
    events: list[records.OutboundEvent]
    deliveries: list[records.Delivery]
    tasks: list[records.RoutingTask]
    outcomes: list[records.RoutingOutcome]
    calls: list[records.SalesforceCall]
    results: list[records.SalesforceCallResult]
    attempts: list[Intent]
    dead_letters: int
    received: list[Line]


def gather(simulator_url: str, bootstrap_servers: str, topics: Topics, partner_log: Path) -> Evidence:
    """Read everything now. Raises `ByocError` when a part does not answer."""

    def read(topic: str, record_type: type[R]) -> list[R]:
        found = read_committed(bootstrap_servers, topic)
        return [decode(record_type, message.value or b"") for message in found]

    concluded = get_json(f"{simulator_url}/v1/routing")["requests"]
    return Evidence(
        published=list(_ledger(simulator_url)),
        concluded=msgspec.convert(concluded, list[Concluded]),
        events=read(topics.events, records.OutboundEvent),
        deliveries=read(topics.deliveries, records.Delivery),
        tasks=read(topics.routing_requests, records.RoutingTask),
        outcomes=read(topics.routing_outcomes, records.RoutingOutcome),
        calls=read(topics.salesforce_calls, records.SalesforceCall),
        results=read(topics.salesforce_results, records.SalesforceCallResult),
        attempts=intents(message.value for message in read_committed(bootstrap_servers, topics.salesforce_journal)),
        dead_letters=sum(1 for _ in read_committed(bootstrap_servers, topics.dead_letters)),
        received=read_lines(partner_log.read_bytes()),
    )


def _ledger(simulator_url: str) -> Iterable[Published]:
    after = 0
    while True:
        page: dict[str, Any] = get_json(f"{simulator_url}/v1/ledger?after={after}&limit={LEDGER_PAGE}")
        if not page["events"]:
            return
        after = page["next"]
        yield from msgspec.convert(page["events"], list[Published])
