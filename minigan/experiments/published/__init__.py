"""Sweeps as the tables of the documentation."""
