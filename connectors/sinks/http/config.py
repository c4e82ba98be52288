"""The configuration keys of a sink over HTTP, and its client made from them."""

from collections.abc import Callable
from functools import partial
from typing import Any

from connectors.config.definition import ConfigDef, Key, Type, Values, at_least
from connectors.salesforce.network import NetworkSettings
from connectors.sinks.http.client import HttpClient, ObserveAttempt, RetryPolicy
from connectors.sinks.http.server import ServerName


def _positive(value: Any) -> str | None:
    return None if value > 0 else "must be greater than 0"


def http_keys(*, timeout_key: str, max_inflight: int, hold_max_s: float) -> ConfigDef:
    """The keys. `timeout_key` is the sink's own name for the time of one request; the numbers are defaults."""
    return ConfigDef(
        Key(timeout_key, Type.DOUBLE, doc="Longest time of one request, seconds.", default=10.0, check=_positive),
        Key("retry.max", Type.INT, doc="Attempts after the first.", default=30, check=at_least(0)),
        Key("retry.backoff.s", Type.DOUBLE, doc="First wait; it doubles.", default=0.2, check=_positive),
        Key("retry.backoff.max.s", Type.DOUBLE, doc="Longest wait.", default=10.0, check=_positive),
        Key(
            "hold.max.s",
            Type.DOUBLE,
            doc="How long a record may hold up its conversation, from its first attempt on.",
            default=hold_max_s,
            check=_positive,
        ),
        Key("max.inflight", Type.INT, doc="Requests at the same time.", default=max_inflight, check=at_least(1)),
    )


def client_maker(
    values: Values,
    observe: ObserveAttempt,
    timeout_key: str,
    server: ServerName,
    network: NetworkSettings | None = None,
) -> Callable[[], HttpClient]:
    """What makes the client for these values: it has to be called on the event loop that will use the client."""
    policy = RetryPolicy(
        retry_max=values.integer("retry.max"),
        backoff_s=values.number("retry.backoff.s"),
        backoff_max_s=values.number("retry.backoff.max.s"),
        timeout_s=values.number(timeout_key),
        hold_max_s=values.number("hold.max.s"),
    )
    return partial(
        HttpClient,
        policy=policy,
        max_inflight=values.integer("max.inflight"),
        observe=observe,
        network=network,
        server=server,
    )
