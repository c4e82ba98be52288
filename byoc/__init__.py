"""The command line, the demo, the fault run and the local Kafka: everything that starts the other parts together."""
