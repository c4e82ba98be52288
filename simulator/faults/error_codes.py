"""The error codes of the Pub/Sub API, without their prefix, with the gRPC status that each is sent with. Pure.

Where no status was ever seen or documented, ours is the plain reading of the code's name.
"""

from typing import Final

from simulator.faults.rpc_errors import Status

STATUS_OF: Final[dict[str, Status]] = {
    "service.unavailable": Status.INTERNAL,  # seen so; not UNAVAILABLE
    "service.auth.error": Status.UNAUTHENTICATED,
    "service.auth.headers.invalid": Status.UNAUTHENTICATED,
    "service.auth.refresh.invalid": Status.INVALID_ARGUMENT,
    "service.protection.triggered": Status.RESOURCE_EXHAUSTED,
    "service.protection.stream.limit.triggered": Status.RESOURCE_EXHAUSTED,
    "service.tenant.license": Status.PERMISSION_DENIED,
    "concurrent.client.limit.exceeded": Status.RESOURCE_EXHAUSTED,
    "topic.not.found": Status.NOT_FOUND,
    "topic.meta.permission": Status.PERMISSION_DENIED,
    "topic.api.unavailable": Status.UNAVAILABLE,
    "topic.validation.empty": Status.INVALID_ARGUMENT,
    "schema.meta.permission": Status.PERMISSION_DENIED,
    "schema.api.unavailable": Status.UNAVAILABLE,
    "schema.validation.failed": Status.INVALID_ARGUMENT,
    "subscription.topic.cannot.subscribe": Status.PERMISSION_DENIED,
    "subscription.fetch.replayid.corrupted": Status.INVALID_ARGUMENT,
    "subscription.fetch.replayid.validation.failed": Status.INVALID_ARGUMENT,
    "subscription.fetch.replay.repeated": Status.INVALID_ARGUMENT,
    "subscription.limit.exceeded": Status.RESOURCE_EXHAUSTED,
    "subscription.fetch.overflow": Status.RESOURCE_EXHAUSTED,
    "subscription.fetch.requested.events.invalid": Status.INVALID_ARGUMENT,
    "subscription.fetch.topic.mismatch": Status.INVALID_ARGUMENT,
    "subscription.fetch.request.invalid": Status.INVALID_ARGUMENT,
    "subscription.internal.error": Status.INTERNAL,
    "publish.stream.sweeper.timeout": Status.DEADLINE_EXCEEDED,
    "publish.auth.refresh.invalid": Status.INVALID_ARGUMENT,
    "publish.event.count.invalid": Status.INVALID_ARGUMENT,
    "publish.topic.mismatch": Status.INVALID_ARGUMENT,
    "publish.topic.validation.empty": Status.INVALID_ARGUMENT,
    "managed.subscription.already.active": Status.ALREADY_EXISTS,
    "managed.subscription.config.stopped": Status.FAILED_PRECONDITION,
    "managed.subscription.config.deleted": Status.NOT_FOUND,
    "managed.subscription.developer.name.not.found": Status.NOT_FOUND,
    "managed.subscription.subscription.id.not.found": Status.NOT_FOUND,
    "managed.subscription.subscription.id.invalid": Status.INVALID_ARGUMENT,
    "managed.subscription.id.or.developer.name.empty": Status.INVALID_ARGUMENT,
    "managed.subscription.fetch.request.events.invalid": Status.INVALID_ARGUMENT,
    "managed.subscription.fetch.request.invalid": Status.INVALID_ARGUMENT,
    "managed.subscription.commit.request.restricted": Status.INVALID_ARGUMENT,
    "managed.subscription.auth.request.restricted": Status.INVALID_ARGUMENT,
}
