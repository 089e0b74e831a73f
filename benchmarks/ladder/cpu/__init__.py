"""The steps of the CPU's kernels, one file a kernel, in order; those in use are in minigan/devices/cpu.

Only these benchmarks call them. So they stand here, and not in kernels/, which is CUDA C++, nor in
minigan/devices/cpu, the code in use. Where a step is a device's kernel without its last idea,
``conv2d.py`` and the others beside this folder say how.
"""
