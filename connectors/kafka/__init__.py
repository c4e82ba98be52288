"""Everything that talks to Kafka or a schema registry for the connectors; only here is their client library known."""
