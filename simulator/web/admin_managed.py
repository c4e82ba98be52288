"""The calls about managed subscriptions, which an administrator of a real org makes with the Tooling API."""

from simulator.faults import rpc_errors
from simulator.org.managed_subscriptions import ManagedSubscription, TooManyError
from simulator.org.org import Org
from simulator.web import admin_messages as messages
from simulator.web.endpoint import Asked, Endpoint, RefusedError
from simulator.web.refusals import unknown_topic

_ALL = "/v1/managed-subscriptions"
_ONE = "/v1/managed-subscriptions/{developer_name}"


class AdminManaged:
    """Handlers under `/v1/managed-subscriptions`."""

    def __init__(self, org: Org) -> None:
        """`org` is the one that has the subscriptions."""
        self._org = org

    def endpoints(self) -> list[Endpoint]:
        """Return the rows of the calls."""
        return [
            Endpoint(
                method="GET",
                path=_ALL,
                summary="All managed subscriptions",
                answer=self._managed_subscriptions,
                reply=messages.ManagedList,
            ),
            Endpoint(
                method="POST",
                path=_ALL,
                summary="Create a managed subscription",
                answer=self._create_managed,
                body=messages.ManagedBody,
                reply=ManagedSubscription,
                status=201,
            ),
            Endpoint(
                method="PATCH",
                path=_ONE,
                summary="Run, stop or rewind one",
                answer=self._change_managed,
                body=messages.ManagedStateBody,
                reply=ManagedSubscription,
            ),
            Endpoint(
                method="DELETE",
                path=_ONE,
                summary="Delete one; its stream ends",
                answer=self._delete_managed,
                reply=ManagedSubscription,
            ),
        ]

    async def _managed_subscriptions(self, _asked: Asked) -> messages.ManagedList:
        return messages.ManagedList(subscriptions=self._org.managed.all())

    async def _create_managed(self, asked: Asked) -> ManagedSubscription:
        body: messages.ManagedBody = asked.body
        if body.topic not in self._org.schemas:
            raise unknown_topic(self._org, body.topic)
        try:
            return self._org.managed.add(
                body.developer_name, body.topic, body.default_replay, body.error_recovery_replay
            )
        except TooManyError as error:
            raise RefusedError(409, str(error)) from error

    async def _change_managed(self, asked: Asked) -> ManagedSubscription:
        found = self._found(asked)
        if asked.body.rewind_to is not None:
            found.committed = asked.body.rewind_to
        if asked.body.state is not None:
            found.state = asked.body.state
        if found.state == "STOP" and found.active is not None:
            self._org.calls.cut(rpc_errors.managed_stopped(), rpc_id=found.active)
        return found

    async def _delete_managed(self, asked: Asked) -> ManagedSubscription:
        found = self._found(asked)
        self._org.managed.remove(found.developer_name)
        if found.active is not None:
            self._org.calls.cut(rpc_errors.managed_deleted(), rpc_id=found.active)
        return found

    def _found(self, asked: Asked) -> ManagedSubscription:
        found = self._org.managed.named(asked.path["developer_name"])
        if found is None:
            raise RefusedError(404, f"there is no managed subscription {asked.path['developer_name']}")
        return found
