"""Benchmarks: `python -m tests.bench drain|line|all` (DESIGN §9). Results: docs/BENCHMARKS.md."""
