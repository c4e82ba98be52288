"""What Salesforce publishes: entries, events, schemas, their bytes, and what must happen to each event. Pure."""
