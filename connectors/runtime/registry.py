"""Which connector classes there are. A class is imported when it is used: a sink worker needs no gRPC."""

import importlib
from typing import Final, cast

from connectors.errors import ConfigError
from connectors.runtime.connector import ConnectorClass

CLASSES: Final = {
    "connectors.pubsub.PubSubSource": "connectors.pubsub.source:PubSubSource",
    "connectors.sinks.WebhookSink": "connectors.sinks.connectors:WebhookSink",
    "connectors.sinks.InteractionSink": "connectors.sinks.connectors:InteractionSink",
}


def connector_class(name: str) -> ConnectorClass:
    """The class that `connector.class` names, fully or by its last part. Raises `ConfigError` listing what there is."""
    for full, place in CLASSES.items():
        if name in (full, full.rpartition(".")[2]):
            module, _, attribute = place.partition(":")
            return cast("ConnectorClass", getattr(importlib.import_module(module), attribute))
    raise ConfigError(
        f"Failed to find any class that implements Connector and which name matches {name}, available connectors are:"
        f" {', '.join(CLASSES)}"
    )
