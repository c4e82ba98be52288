"""Benchmarks: `python -m bench`. Each measured process has one core of its own, the broker another."""
