"""The settings of a simulated org and of its servers. Every time-out can be set, so that tests run in milliseconds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

DEFAULT_TOPIC = "/event/ByocOutbound__e"
_ABOVE_ZERO = (
    "retention_h",
    "keepalive_s",
    "zero_credit_close_s",
    "routing_timeout_s",
    "session_timeout_s",
    "managed_commit_timeout_s",
    "publish_idle_s",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Immutable settings of one simulator.

    `host`, ports: where to listen; port 0 takes a free one.
    `seed`: decides the gaps between replay ids, the splits of batches and the ids.
    `topics`: the platform events that exist; each gets its own Avro schema with the same two custom fields.
    `entities`: whose changes are captured, such as Account: each has a topic, `/data/ChangeEvents` carries all.
    `keepalive_s`: an idle Subscribe with credit gets an empty response this long after the last one (observed: 120 s;
    promised: within 270 s).
    `zero_credit_close_s`: a Subscribe without credit is closed this long after the last response. The status of that
    close is not documented, so `zero_credit_close` chooses one; `reset` needs `wire_faults`.
    `split_share`: the share of responses that carry fewer events than they could.
    `routing_timeout_s`: how long Salesforce waits for `routingResult`, counted from `CreatedDate`.
    `latest_settle_s`: a LATEST subscription misses what is published so soon after it began (seen: about 3 s).
    `session_timeout_s`: a token that nobody uses for so long is no longer valid.
    `managed_commit_timeout_s`: a ManagedSubscribe without any commit for so long is closed.
    `managed_release_s`: how long a managed subscription stays taken after its stream broke; one that the client ended
    is free at once. A half-open connection holds it until the network notices (seen: 17 to 19 minutes).
    `publish_idle_s`: a PublishStream without a request for so long is closed.
    `wire_faults`: put a proxy in front of the gRPC server that can break streams and connections below gRPC. It costs
    speed, so a benchmark goes without.
    `tls_dir`: serve TLS with the certificates of this directory; they are made when it has none.
    `password`, `security_token`: for the password logins; the token may be appended to the password.
    `public_key_pem`: verifies JWT bearer assertions; without it that grant is refused.
    """

    host: str = "127.0.0.1"
    grpc_port: int = 7443
    http_port: int = 8044
    seed: int = 1
    org_id: str = "00DHs000000DemoMAC"
    client_id: str = "byoc-streams"
    client_secret: str = "byoc-simulator-secret"  # noqa: S105  # guards nothing but the simulator on a laptop
    username: str = "integration@byoc.example"
    password: str = "byoc-simulator-password"  # noqa: S105  # as above
    security_token: str = ""
    public_key_pem: str | None = None
    topics: tuple[str, ...] = (DEFAULT_TOPIC,)
    entities: tuple[str, ...] = ()
    type_field: str = "EventType__c"
    payload_field: str = "EventPayload__c"
    retention_h: float = 72.0
    keepalive_s: float = 120.0
    zero_credit_close_s: float = 60.0
    zero_credit_close: Literal["unavailable", "ok", "reset"] = "unavailable"
    split_share: float = 0.2
    routing_timeout_s: float = 60.0
    latest_settle_s: float = 0.0
    session_timeout_s: float = 7200.0
    managed_commit_timeout_s: float = 1800.0
    managed_release_s: float = 0.0
    publish_idle_s: float = 70.0
    wire_faults: bool = False
    tls_dir: Path | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for settings that no run can use."""
        if len(self.org_id) != 18:
            raise ValueError(f"org id {self.org_id!r} has {len(self.org_id)} characters; use the 18-character form")
        if self.zero_credit_close == "reset" and not self.wire_faults:
            raise ValueError("closing streams without credit by a reset happens on the wire; add --wire-faults")
        if not self.topics:
            raise ValueError("no topic given; name at least one, such as /event/ByocOutbound__e")
        for topic in self.topics:
            if not (topic.startswith("/event/") and topic.endswith("__e") and len(topic) > len("/event/__e")):
                raise ValueError(f"topic {topic!r} is not a platform event; use the form /event/<Name>__e")
        for name in _ABOVE_ZERO:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; use a number above zero")

    @property
    def retention_ms(self) -> int:
        """Return the retention of events in milliseconds."""
        return int(self.retention_h * 3_600_000)

    @property
    def routing_timeout_ms(self) -> int:
        """Return the time for the answer to a routing request in milliseconds."""
        return int(self.routing_timeout_s * 1000)
