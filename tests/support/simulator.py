"""A simulator in the test's own process, on free ports."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from simulator.clock import Clock
from simulator.events import entries
from simulator.org.ledger import LedgerEntry
from simulator.org.org import Org
from simulator.server import Simulator
from simulator.settings import Settings

CHANNEL_ADDRESS_ID = "c0ffee00-0000-4000-8000-0000000000c1"
END_USER_SUBJECT = "cust-4711"
REP_USER_ID = "005Hs00000AbCdE"


@dataclass(frozen=True)
class RunningSimulator:
    """The address book of a running simulator, and the shortest ways to publish."""

    simulator: Simulator

    @property
    def org(self) -> Org:
        """The state behind it: `org.log`, `org.ledger`, `org.desk`, `org.tokens`."""
        return self.simulator.org

    @property
    def settings(self) -> Settings:
        return self.simulator.settings

    @property
    def grpc_address(self) -> str:
        return self.simulator.grpc_address

    @property
    def http_url(self) -> str:
        """Login URL, instance URL and base of the Interaction Service API in one."""
        return self.simulator.http_url

    @property
    def client_id(self) -> str:
        return self.settings.client_id

    @property
    def client_secret(self) -> str:
        return self.settings.client_secret

    @property
    def org_id(self) -> str:
        return self.settings.org_id

    @property
    def topic(self) -> str:
        """The first topic: `/event/ByocOutbound__e` unless another was asked for."""
        return self.settings.topics[0]

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The three headers of a Pub/Sub RPC with a new valid token."""
        return (
            ("accesstoken", self.org.tokens.issue()),
            ("instanceurl", self.http_url),
            ("tenantid", self.org_id),
        )

    def publish(
        self,
        payload: dict[str, Any] | str | None,
        *,
        event_type: str | None = "Interaction",
        event_uuid: str | None = None,
        created_at_ms: int | None = None,
        topic: str | None = None,
    ) -> LedgerEntry:
        """Publish one event: the value (or JSON text) of the payload field. The same `event_uuid` is a duplicate."""
        text = entries.as_json(payload) if isinstance(payload, dict) else payload
        return self.org.publish(
            topic or self.topic, event_type, text, event_uuid=event_uuid, created_at_ms=created_at_ms
        )

    def publish_bytes(self, payload: bytes, *, event_uuid: str | None = None, topic: str | None = None) -> LedgerEntry:
        """Publish payload bytes that need not be Avro at all."""
        return self.org.publish_bytes(topic or self.topic, payload, event_uuid=event_uuid)

    def publish_message(self, conversation_id: str, text: str, *, entry_id: str | None = None) -> LedgerEntry:
        """Publish a text message of a rep to the end user."""
        entry_id = entry_id or self.org.new_id()
        return self.publish(message_payload(conversation_id, entry_id, text, at_ms=self.org.clock.now_ms()))


def message_payload(
    conversation_id: str, entry_id: str, text: str, *, at_ms: int = 1_767_225_600_000
) -> dict[str, Any]:
    """The payload of an Interaction event with one text message."""
    return entries.interaction(
        channel_address_id=CHANNEL_ADDRESS_ID,
        conversation_id=conversation_id,
        end_user_subject=END_USER_SUBJECT,
        entry_id=entry_id,
        sender=entries.agent(REP_USER_ID),
        sender_name="Ana R.",
        entry=entries.text_message(entry_id, text),
        at_ms=at_ms,
    )


@asynccontextmanager
async def running_simulator(*, clock: Clock | None = None, **knobs: Any) -> AsyncIterator[RunningSimulator]:
    """Run a simulator on free ports for the length of the block; `knobs` are the fields of `Settings`."""
    async with Simulator(Settings(**({"grpc_port": 0, "http_port": 0} | knobs)), clock) as simulator:
        yield RunningSimulator(simulator)
