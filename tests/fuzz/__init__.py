"""Fuzzing: what comes from outside meets the code that reads it. `python -m tests.fuzz --help` says how."""
