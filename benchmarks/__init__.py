"""Benchmarks: scripts that print a table. `docs/performance.md` holds their tables and what they mean."""
