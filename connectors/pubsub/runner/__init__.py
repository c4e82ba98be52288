"""The running task: it moves events from Salesforce to Kafka as the protocol decides."""
