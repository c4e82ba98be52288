"""`byoc explain`: what one event is and what becomes of it."""
