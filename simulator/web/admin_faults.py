"""The calls about faults: order one, list them, take one back."""

from simulator.faults.fault import AnyFault
from simulator.faults.fault_book import FaultRefusedError, Order
from simulator.org.org import Org
from simulator.web import admin_messages as messages
from simulator.web.endpoint import Asked, Endpoint, RefusedError
from simulator.web.refusals import org_errors


class AdminFaults:
    """Handlers under `/v1/faults`."""

    def __init__(self, org: Org) -> None:
        """`org` is the one that the faults happen to."""
        self._org = org

    def endpoints(self) -> list[Endpoint]:
        """Return the rows of the calls."""
        return [
            Endpoint(
                method="GET",
                path="/v1/faults",
                summary="The faults that were ordered",
                answer=self._faults,
                reply=messages.FaultList,
            ),
            Endpoint(
                method="POST",
                path="/v1/faults",
                summary="Order a fault",
                answer=self._order_fault,
                body=AnyFault,
                reply=Order,
                status=201,
            ),
            Endpoint(method="GET", path="/v1/faults/{id}", summary="One fault", answer=self._fault, reply=Order),
            Endpoint(
                method="DELETE",
                path="/v1/faults/{id}",
                summary="Take a fault back",
                answer=self._delete_fault,
                reply=Order,
            ),
        ]

    async def _faults(self, _asked: Asked) -> messages.FaultList:
        return messages.FaultList(faults=self._org.faults.orders())

    async def _order_fault(self, asked: Asked) -> Order:
        with org_errors(self._org):
            try:
                return self._org.order(asked.body)
            except FaultRefusedError as error:
                raise RefusedError(409 if "--wire-faults" in str(error) else 400, str(error)) from error

    async def _fault(self, asked: Asked) -> Order:
        return _found(self._org.faults.get(asked.path["id"]), asked)

    async def _delete_fault(self, asked: Asked) -> Order:
        return _found(self._org.faults.remove(asked.path["id"]), asked)


def _found(order: Order | None, asked: Asked) -> Order:
    if order is None:
        raise RefusedError(404, f"there is no fault {asked.path['id']}; GET /v1/faults lists them")
    return order
