"""Errors of the core. Bad input never stops a partition: only `Unparsable` leaves `apply`, for the dead letters."""

_SHOWN = 64  # characters of an id that may be of any length: the reason must not be cut off behind it


class CoreError(Exception):
    """Root of the core's errors."""


class Unparsable(CoreError):
    """The payload of an event is no JSON object. Dead-letter the record; reading it again cannot help."""

    def __init__(self, reason: str, event_uuid: str, topic: str) -> None:
        """`reason` completes "the payload cannot be parsed:"; `topic` is the Pub/Sub topic of the event."""
        self.reason = reason
        self.event_uuid = event_uuid
        super().__init__(
            f"parsing the payload of a platform event (topic={topic}, event_uuid={event_uuid[:_SHOWN]}): {reason}; "
            "it stays readable in the dead-letter topic"
        )


class OutOfBounds(Unparsable):
    """A field of a record is outside the bounds of `streams.core.model.bounds`. Dead-letter the record."""

    def __init__(self, reason: str) -> None:
        """`reason` names the field, what it holds and what it may hold."""
        self.reason = reason
        self.event_uuid = ""
        CoreError.__init__(
            self,
            f"checking a record: {reason}; nothing of it was taken, it stays readable in the dead-letter topic",
        )


class RoutingTableError(CoreError):
    """An event that the transition table does not know in this state: a defect of the core, never of the input."""

    def __init__(self, state: str, event: str) -> None:
        """`state` and `event` are values of `RoutingState` and `RoutingEvent`."""
        super().__init__(f"advancing a routing request: no row for event {event} in state {state}; add it to the table")
