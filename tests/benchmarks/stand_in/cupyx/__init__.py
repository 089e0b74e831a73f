"""The part of CuPy beside `cupy` that minigan uses."""
