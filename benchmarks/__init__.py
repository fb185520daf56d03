"""Timings of whole runs; results are kept in benchmarks/results.md."""
