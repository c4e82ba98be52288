"""Events of Salesforce become records for Kafka."""
