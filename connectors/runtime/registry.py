"""The connector classes, by the name that `connector.class` gives them; the only place that knows them all.

A class is imported when it is used: a worker of sinks needs no gRPC.
"""

import importlib
from typing import Final, cast

from connectors.connector import ConnectorClass
from connectors.errors import ConfigError

# One row per connector: its public name, and where the class is.
CLASSES: Final = {
    "connectors.pubsub.PubSubSource": "connectors.pubsub.source:PubSubSource",
    "connectors.sinks.WebhookSink": "connectors.sinks.webhook.connector:WebhookSink",
    "connectors.sinks.InteractionSink": "connectors.sinks.interaction.connector:InteractionSink",
}


def connector_class(name: str) -> ConnectorClass:
    """The class that `connector.class` names, fully or by its last part.

    Raises `ConfigError` that lists the names there are.
    """
    for full, place in CLASSES.items():
        if name in (full, full.rpartition(".")[2]):
            module, _, attribute = place.partition(":")
            return cast("ConnectorClass", getattr(importlib.import_module(module), attribute))
    raise ConfigError(
        f"Failed to find any class that implements Connector and which name matches {name}, available connectors are:"
        f" {', '.join(CLASSES)}"
    )
