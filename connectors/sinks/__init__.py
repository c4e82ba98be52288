"""Ways out of Kafka: the partner's webhook and Salesforce's Interaction Service API."""

from connectors.sinks.connectors import InteractionSink, WebhookSink

__all__ = ["InteractionSink", "WebhookSink"]
