"""Measures the broker beside its peers: `python -m benchmarks`."""
