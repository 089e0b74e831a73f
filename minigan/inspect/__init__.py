"""Looking into a run of the kernels: what a training step calls, and what a kernel does with memory."""
