"""The Pub/Sub API over gRPC."""
