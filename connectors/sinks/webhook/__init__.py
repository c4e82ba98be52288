"""The sink that posts deliveries to the partner's channel."""
