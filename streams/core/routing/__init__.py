"""Routing requests: their state machine, which result belongs to which, and the calls and records they lead to."""
