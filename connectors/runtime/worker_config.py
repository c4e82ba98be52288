"""The worker's own configuration keys, by Kafka Connect's names, and its settings made from them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from connectors.config.definition import ConfigDef, Importance, Key, Type, at_least, invalid, non_empty
from connectors.connector import WorkerConfig
from schemas.topics import DEFAULT_PREFIX, Topics

DEFINITION: Final = ConfigDef(
    Key("bootstrap.servers", doc="Kafka brokers, host:port.", importance=Importance.HIGH, check=non_empty),
    Key("group.id", doc="Name of the worker group; part of every transactional id.", default="byoc-connect"),
    Key("topic.prefix", doc="Beginning of the topic names.", default=DEFAULT_PREFIX),
    Key("offset.storage.topic", doc="<topic.prefix>-connect-offsets when absent.", default=None),
    Key(
        "config.providers",
        Type.LIST,
        doc="Names of providers for ${name:path:key} in configurations; docs/source.md shows their own keys.",
        default=(),
    ),
    Key("listeners", Type.LIST, doc="REST address, http://host:port; instead of rest.host.name and port.", default=()),
    Key("rest.host.name", doc="Address that the REST API binds.", default="127.0.0.1"),
    Key(
        "rest.allowed.hosts",
        Type.LIST,
        doc="Further names by which the REST API is asked, such as a service's; .example.com for all that end so, * for"
        " any. Without it: the bound address, and with rest.host.name 0.0.0.0 every IP address and localhost.",
        default=(),
    ),
    Key("rest.port", Type.INT, doc="Port of the REST API; 0 for any free one.", default=8083, check=at_least(0)),
)

# Settings of the Kafka client that pass through as they are; librdkafka knows them by the same names.
_CLIENT_PREFIXES: Final = ("security.", "sasl.", "ssl.")
_JAVA_ONLY: Final = ("sasl.jaas.config", "ssl.keystore.type", "ssl.truststore.location", "ssl.truststore.password")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """A worker's own settings: what its connectors share, and where its REST API listens."""

    shared: WorkerConfig
    rest_host: str
    rest_port: int
    rest_allowed_hosts: tuple[str, ...] = ()


def worker_settings(properties: Mapping[str, str]) -> WorkerSettings:
    """The settings in a worker's properties.

    Raises `ConfigError` that names every wrong key, and every client setting that only the Java client has.
    """
    values = DEFINITION.parse(properties, "the worker")
    problems = [
        f"Invalid configuration {key}: it is a setting of the Java client; use librdkafka's names (sasl.username,"
        " sasl.password, ssl.ca.location, ssl.certificate.location, ssl.key.location)"
        for key in _JAVA_ONLY
        if key in properties
    ]
    host, port = values.string("rest.host.name"), values.integer("rest.port")
    listeners = values.strings("listeners")
    if listeners:
        scheme, separator, address = listeners[0].partition("://")
        found_host, _, found_port = address.rpartition(":")
        if len(listeners) > 1 or scheme.lower() != "http" or not separator or not found_port.isdigit():
            problems.append("Invalid value for configuration listeners: one http://host:port is supported")
        else:
            host, port = found_host or "0.0.0.0", int(found_port)  # noqa: S104 - http://:8083 means all, as in Connect
    prefix = values.string("topic.prefix")
    try:
        topics = Topics(prefix=prefix)
    except ValueError as error:
        problems.append(f"Invalid value {prefix} for configuration topic.prefix: {error}")
    if problems:
        raise invalid("the worker", problems)
    shared = WorkerConfig(
        bootstrap_servers=values.string("bootstrap.servers"),
        group_id=values.string("group.id"),
        topic_prefix=prefix,
        offset_storage_topic=values.optional_string("offset.storage.topic") or topics.connect_offsets,
        client={key: value for key, value in properties.items() if key.startswith(_CLIENT_PREFIXES)},
    )
    allowed = values.strings("rest.allowed.hosts")
    return WorkerSettings(shared=shared, rest_host=host, rest_port=port, rest_allowed_hosts=allowed)
