"""Kafka Connect's half of the system: Salesforce's events into Kafka, and records out of Kafka to others."""
