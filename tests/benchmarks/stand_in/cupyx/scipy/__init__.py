"""CuPy's versions of SciPy's functions."""
