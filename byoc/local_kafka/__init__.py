"""One node of real Apache Kafka on this machine, from Maven artifacts, without Docker."""
