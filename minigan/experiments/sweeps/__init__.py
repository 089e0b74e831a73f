"""Sweeps: one experiment with many seeds, and with several values of some settings."""
