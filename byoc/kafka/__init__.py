"""Kafka for commands and tests: topics and offsets, reading to the end, plain writing. A client for each question."""
