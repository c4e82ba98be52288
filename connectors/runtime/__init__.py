"""The worker: it finds connectors by name, runs their tasks and answers Kafka Connect's REST API."""
