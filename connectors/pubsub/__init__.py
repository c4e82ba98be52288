"""The source connector for the Salesforce Pub/Sub API."""
