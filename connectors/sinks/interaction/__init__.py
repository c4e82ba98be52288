"""The sink that makes calls to Salesforce's Interaction Service API."""
