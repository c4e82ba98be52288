"""The Interaction Service API without its HTTP: bodies, routing requests, agent work, sessions. Pure."""
