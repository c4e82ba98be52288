"""Failures of a Pub/Sub RPC as a client sees them: gRPC status, `error-code` trailer, status text. Pure."""

from enum import StrEnum

PREFIX = "sfdc.platform.eventbus.grpc."


class Status(StrEnum):
    """The gRPC statuses of a failure, by name."""

    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ABORTED = "ABORTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"
    DATA_LOSS = "DATA_LOSS"
    UNAUTHENTICATED = "UNAUTHENTICATED"


class RpcError(Exception):
    """Ends an RPC. Without `error_code` there are no trailers, as when the network or a proxy cuts the stream."""

    def __init__(self, status: Status, error_code: str | None, text: str) -> None:
        """`error_code` is the trailer without its prefix, `text` the status text."""
        super().__init__(text)
        self.status = status
        self.error_code = error_code
        self.text = text


def headers_invalid(text: str) -> RpcError:
    """A metadata header is missing or malformed."""
    return RpcError(Status.UNAUTHENTICATED, "service.auth.headers.invalid", text)


def token_refused() -> RpcError:
    """The access token is not valid."""
    text = "The access token is not valid; it may have expired or been revoked."
    return RpcError(Status.UNAUTHENTICATED, "service.auth.error", text)


def topic_empty() -> RpcError:
    """The request names no topic."""
    return RpcError(Status.INVALID_ARGUMENT, "topic.validation.empty", "The topic name must not be empty.")


def topic_not_found(topic: str) -> RpcError:
    """The org has no such topic."""
    return RpcError(Status.NOT_FOUND, "topic.not.found", f"There is no topic {topic!r} in this org.")


def schema_id_refused(schema_id: str) -> RpcError:
    """No schema has this id, or the id is blank."""
    # The words about a blank id are the ones that clients have logged.
    text = f"There is no schema {schema_id!r}." if schema_id else "The schema ID can't be blank"
    return RpcError(Status.INVALID_ARGUMENT, "schema.validation.failed", text)


def num_requested_refused(num_requested: int) -> RpcError:
    """A FetchRequest asks for no events."""
    text = f"num_requested is {num_requested}; it must be greater than zero."
    return RpcError(Status.INVALID_ARGUMENT, "subscription.fetch.requested.events.invalid", text)


def topic_mismatch(topic: str, first: str) -> RpcError:
    """A later FetchRequest names another topic than the first one."""
    text = f"A request names topic {topic!r}, the first one named {first!r}."
    return RpcError(Status.INVALID_ARGUMENT, "subscription.fetch.topic.mismatch", text)


def preset_unknown(preset: int) -> RpcError:
    """The replay preset is a number that the API does not know."""
    text = f"There is no replay preset {preset}."
    return RpcError(Status.INVALID_ARGUMENT, "subscription.fetch.request.invalid", text)


def replay_id_missing() -> RpcError:
    """The preset CUSTOM came without a replay id."""
    text = "The replay preset CUSTOM needs a replay id."
    return RpcError(Status.INVALID_ARGUMENT, "subscription.fetch.replayid.validation.failed", text)


def replay_id_corrupted() -> RpcError:
    """The replay id was never given out, is malformed, or has expired."""
    # Clients match these words when a proxy has eaten the trailers, so they are the ones of the service.
    text = "The Replay ID validation failed. Ensure that the Replay ID is valid."
    return RpcError(Status.INVALID_ARGUMENT, "subscription.fetch.replayid.corrupted", text)


def event_count_refused() -> RpcError:
    """A PublishRequest carries no event."""
    text = "A publish request must carry at least one event."
    return RpcError(Status.INVALID_ARGUMENT, "publish.event.count.invalid", text)


def request_too_large(size: int) -> RpcError:
    """The proxy in front of the service refuses a request of more than 4 MB."""
    text = f"upstream connect error: the request of {size} bytes is larger than 4 MB"
    return RpcError(Status.UNAVAILABLE, None, text)


def closed_without_credit(seconds: float) -> RpcError:
    """A stream had no credit for too long."""
    return RpcError(Status.UNAVAILABLE, None, f"no credit for {seconds:g} s; closing the stream")


def delivery_limit_exceeded() -> RpcError:
    """The delivery allocation of the org is used up."""
    text = "You have exceeded the event delivery limit for your org."
    return RpcError(Status.RESOURCE_EXHAUSTED, "subscription.limit.exceeded", text)


def closed_by_migration() -> RpcError:
    """The org moves, and every open stream ends without trailers."""
    return RpcError(Status.UNAVAILABLE, None, "upstream connect error: the org is moving to another instance")


def publish_topic_mismatch(topic: str, first: str) -> RpcError:
    """A later PublishRequest of a stream names another topic than the first one."""
    text = f"A request names topic {topic!r}, the first one named {first!r}."
    return RpcError(Status.INVALID_ARGUMENT, "publish.topic.mismatch", text)


def publish_idle(seconds: float) -> RpcError:
    """A PublishStream had no request for too long."""
    text = f"No publish request in the last {seconds:g} seconds. Closing the stream."
    return RpcError(Status.DEADLINE_EXCEEDED, "publish.stream.sweeper.timeout", text)


def managed_request_refused(code: str, text: str) -> RpcError:
    """A ManagedFetchRequest is wrong; `code` is the end of the error code."""
    return RpcError(Status.INVALID_ARGUMENT, f"managed.subscription.{code}", text)


def managed_not_found(code: str) -> RpcError:
    """No managed subscription has this id or name; `code` is the end of the error code."""
    return RpcError(Status.NOT_FOUND, f"managed.subscription.{code}", "There is no such managed subscription.")


def managed_stopped() -> RpcError:
    """The managed subscription is in state STOP."""
    text = "The managed subscription is stopped."
    return RpcError(Status.FAILED_PRECONDITION, "managed.subscription.config.stopped", text)


def managed_deleted() -> RpcError:
    """The managed subscription was deleted while its stream was open."""
    return RpcError(Status.NOT_FOUND, "managed.subscription.config.deleted", "The managed subscription was deleted.")


def managed_taken() -> RpcError:
    """Another stream holds the managed subscription."""
    text = "Another stream of this managed subscription is active."
    return RpcError(Status.ALREADY_EXISTS, "managed.subscription.already.active", text)


def no_commits(seconds: float) -> RpcError:
    """A ManagedSubscribe made no commit for too long."""
    text = f"No CommitReplayRequests sent in the last {seconds:g} seconds. Closing managed subscription."
    return RpcError(Status.DEADLINE_EXCEEDED, None, text)
