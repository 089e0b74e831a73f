"""What is measured, against what, and the tables that come out: ``python -m benchmarks --help``."""
