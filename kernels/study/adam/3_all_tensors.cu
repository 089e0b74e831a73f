// Adam, step 3: one launch for all tensors.
//
// The idea: a table of addresses, passed to the kernel by value. Most tensors of a network are a few hundred numbers, for which a launch is
// all they cost. A block finds out which tensor it belongs to, and updates 4,096 elements of it.
//
// Launch: blocks of 256 threads; tensor i has the blocks from first_block[i] on. Bound: memory,
// 7n·w bytes. The kernel in use (adam.cu) moves them 16 bytes at a time where addresses are
// aligned. It reads the step's count on the device, so that a CUDA graph goes on counting.

#include "minigan.cuh"

constexpr int kTensors = 64, kBlockElements = 4096;

struct Tensors {  // rows that are not used are zero
    real* p[kTensors];
    const real* g[kTensors];
    real* m[kTensors];
    real* v[kTensors];
    long long size[kTensors];
    long long first_block[kTensors];
};

KERNEL adam(const Tensors tensors, int count, real rate, real beta1, real beta2, real correction, real epsilon) {
    int k = 0;
    while (k + 1 < count && tensors.first_block[k + 1] <= blockIdx.x) ++k;
    const long long begin = (blockIdx.x - tensors.first_block[k]) * kBlockElements;
    const long long end = min(begin + kBlockElements, tensors.size[k]);
    real *p = tensors.p[k], *m = tensors.m[k], *v = tensors.v[k];
    const real* g = tensors.g[k];
    for (long long i = begin + threadIdx.x; i < end; i += blockDim.x) {
        const real gradient = g[i];
        const real first = beta1 * m[i] + (real(1) - beta1) * gradient;
        const real second = beta2 * v[i] + (real(1) - beta2) * (gradient * gradient);
        m[i] = first;
        v[i] = second;
        p[i] -= rate * first / (sqrt(second * correction) + epsilon);
    }
}
