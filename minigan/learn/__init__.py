"""Exercises from a gradient to the tensor cores, and a judge that names the mistake."""
