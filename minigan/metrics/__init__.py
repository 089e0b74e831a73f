"""Measures of a model's representation: plain arrays in, numbers out."""
