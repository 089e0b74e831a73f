"""Measures of what a model has learned: plain arrays in, numbers out."""
