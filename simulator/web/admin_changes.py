"""The call that publishes change events."""

from simulator.events.change_events import EntityChange
from simulator.events.event_schema import PayloadError
from simulator.org.event_log import UnknownTopicError
from simulator.org.ledger import LedgerEntry
from simulator.org.org import Org
from simulator.web.admin_topics import unknown_topic
from simulator.web.endpoint import Asked, Endpoint, RefusedError


class AdminChanges:
    """Handler of `/v1/changes`."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(
                method="POST",
                path="/v1/changes",
                summary="Publish the change event of an entity",
                answer=self._publish,
                body=EntityChange,
                reply=LedgerEntry,
                status=201,
            )
        ]

    async def _publish(self, asked: Asked) -> LedgerEntry:
        try:
            return self._org.publish_change(asked.body)
        except PayloadError as error:
            raise RefusedError(400, str(error)) from error
        except UnknownTopicError as error:
            raise unknown_topic(self._org, error) from error
