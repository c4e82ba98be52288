"""Ways out of Kafka: the partner's webhook and Salesforce's Interaction Service API, a folder each."""
