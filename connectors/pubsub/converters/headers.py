"""The `sf.*` headers of a mirrored event: all that a reader needs to find it again at Salesforce. Pure."""

Headers = list[tuple[str, bytes]]


class EventHeaders:
    """Headers of the events of one subscription."""

    def __init__(self, topic: str, org_id: str) -> None:
        self._fixed = [("sf.topic", topic.encode()), ("sf.org_id", org_id.encode())]

    def of(self, event_uuid: str, schema_id: str, replay_id: bytes) -> Headers:
        """A new list: the caller may add to it."""
        return [
            ("sf.replay_id", replay_id),
            ("sf.schema_id", schema_id.encode()),
            ("sf.event_uuid", event_uuid.encode()),
            *self._fixed,
        ]
