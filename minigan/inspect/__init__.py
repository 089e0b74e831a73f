"""Inspection of kernels: the calls of a training step, and a kernel's use of memory."""
