"""Measurements, their references and their tables: ``python -m benchmarks --help``."""
