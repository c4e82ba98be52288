"""Connector and worker files of a whole system on this machine."""

import secrets
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from byoc.partner.channel import DELIVERIES_PATH
from byoc.private_files import write_privately
from schemas.topics import Topics

SALESFORCE_TOPIC = "/event/ByocOutbound__e"


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the parts listen, as host:port or URLs."""

    bootstrap_servers: str
    pubsub: str
    salesforce_url: str
    channel_url: str


def new_webhook_secret() -> str:
    """A signing secret in the form of Standard Webhooks."""
    return "whsec_" + b64encode(secrets.token_bytes(24)).decode()


def write_files(
    folder: Path, topics: Topics, addresses: Addresses, *, webhook_secret: str, client_id: str, client_secret: str
) -> list[Path]:
    """Write worker.properties and the three connectors' files; return them in the order of the command line."""
    salesforce = {
        "salesforce.login.url": addresses.salesforce_url,
        "salesforce.client.id": client_id,
        "salesforce.client.secret": client_secret,
    }
    files = {
        "worker": {
            "bootstrap.servers": addresses.bootstrap_servers,
            "group.id": f"{topics.prefix}-connect",
            "rest.host.name": "127.0.0.1",
            "rest.port": "0",
            "topic.prefix": topics.prefix,
            "offset.storage.topic": topics.connect_offsets,
        },
        "source": {
            "name": f"{topics.prefix}-pubsub",
            "connector.class": "connectors.pubsub.PubSubSource",
            "salesforce.pubsub.endpoint": addresses.pubsub,
            "salesforce.pubsub.tls": "false",
            "salesforce.topics": SALESFORCE_TOPIC,
            "salesforce.event.type.field": "EventType__c",
            "salesforce.event.payload.field": "EventPayload__c",
            "replay.preset": "earliest",
            "errors.tolerance": "all",
            **salesforce,
        },
        "webhook": {
            "name": f"{topics.prefix}-webhook",
            "connector.class": "connectors.sinks.WebhookSink",
            "webhook.url": addresses.channel_url + DELIVERIES_PATH,
            "webhook.secret": webhook_secret,
            "errors.tolerance": "all",
        },
        "interaction": {
            "name": f"{topics.prefix}-interaction",
            "connector.class": "connectors.sinks.InteractionSink",
            "salesforce.api.url": f"{addresses.salesforce_url}/api/v1",
            "salesforce.authorization.context": "Demo_Channel",
            "errors.tolerance": "all",
            **salesforce,
        },
    }
    paths = []
    for name, settings in files.items():
        path = folder / f"{name}.properties"
        write_privately(path, "".join(f"{key}={value}\n" for key, value in settings.items()).encode())
        paths.append(path)
    return paths
