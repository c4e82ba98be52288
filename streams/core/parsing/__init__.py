"""From the JSON of a platform event to entries, routing requests and routing results."""
