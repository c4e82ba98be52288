"""The call that publishes change events."""

from simulator.events.change_events import EntityChange
from simulator.org.ledger import LedgerEntry
from simulator.org.org import Org
from simulator.web.endpoint import Asked, Endpoint
from simulator.web.refusals import org_errors


class AdminChanges:
    """Handler of `/v1/changes`."""

    def __init__(self, org: Org) -> None:
        """`org` is the one that publishes."""
        self._org = org

    def endpoints(self) -> list[Endpoint]:
        """Return the row of the call."""
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
        with org_errors(self._org):
            return self._org.publish_change(asked.body)
