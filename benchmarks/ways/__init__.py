"""Ways to do the same work; `python -m benchmarks.ways.NAME` is a process that speaks benchmarks/serve.py."""
