"""The whole system as child processes: what the demo, the fault runs and the benchmarks start."""
