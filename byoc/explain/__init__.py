"""`byoc explain`: says what one event is, and why it is delivered or not."""
