"""The protocol of the Pub/Sub API; `make proto` generates the Python from `pubsub_api.proto`."""
