// The CUDA dialect for a C++ compiler: what kernels/*.cu use of CUDA, in the terms of scheduler.cpp.
//
// This header is included before a kernel file, in place of the CUDA compiler's built-in declarations. Each CUDA
// thread is a fiber, a function with a stack of its own; a barrier switches to another fiber. The blocks of a
// grid run on a few operating-system threads, a whole block on one of them, so a block's shared memory is a
// thread-local variable.
#pragma once

#include <cmath>
#include <math.h>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#define MINIGAN_EMULATION
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __restrict__ __restrict

struct uint3 { unsigned x, y, z; };
struct dim3 { unsigned x = 1, y = 1, z = 1; };
struct __align__(16) float4 { float x, y, z, w; };
struct __align__(16) double2 { double x, y; };
struct __align__(16) uint4 { unsigned x, y, z, w; };

// Kernel libraries are compiled with hidden symbols: those for float and for double have the same names, and the
// loader would otherwise let both share one shared-memory variable. What follows comes from the scheduler's library.
#pragma GCC visibility push(default)
namespace emulation {

// Where a fiber is: its coordinates in the block, and its warp and lane.
struct Thread {
    uint3 index;
    int linear, warp, lane;
};

// What all threads of a block see.
struct Block {
    uint3 index;
    dim3 size, grid;
    unsigned char* dynamic_shared;
};

extern thread_local const Thread* thread;
extern thread_local const Block* block;

// Barriers. `line` is the source line of the call, for the message when not all threads reach it.
void sync_block(int line);
void sync_warp(unsigned mask, int line);

// A slot of 64 bytes for each lane of the running warp, through which lanes exchange values.
void* exchange_slot(int lane);

// Asynchronous copies of the running thread: they land when a wait says so, not before.
void copy_async(void* target, const void* source, size_t bytes, bool in_bounds);
void commit_async_group();
void wait_async_groups(int still_in_flight);

// Stop the whole launch with a message; it becomes a Python exception.
[[noreturn]] void fail(const char* message);

// Run `body(context)` once for each thread of each block.
using Body = void (*)(void* context);
struct LaunchResult { char message[512]; };
void run(Body body, void* context, dim3 grid, dim3 block, size_t shared_bytes, const char* kernel,
         void (*poison_shared)(), LaunchResult* result);

}  // namespace emulation
#pragma GCC visibility pop

namespace emulation {

template <class... Parameters, size_t... I>
void call(void (*kernel)(Parameters...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<std::decay_t<Parameters>*>(arguments[I])...);
}

// Launch a kernel whose arguments lie behind pointers, as cuLaunchKernel takes them.
template <class... Parameters>
void launch(void (*kernel)(Parameters...), const char* name, const dim3* grid, const dim3* block,
            size_t shared_bytes, void** arguments, void (*poison_shared)(), LaunchResult* result) {
    struct Call { void (*kernel)(Parameters...); void** arguments; } context{kernel, arguments};
    auto body = [](void* pointer) {
        auto* c = static_cast<Call*>(pointer);
        call(c->kernel, c->arguments, std::index_sequence_for<Parameters...>{});
    };
    run(body, &context, *grid, *block, shared_bytes, name, poison_shared, result);
}

template <class T>
T exchange(unsigned mask, T value, int source_lane, int line) {
    static_assert(sizeof(T) <= 64, "a slot holds 64 bytes");
    std::memcpy(exchange_slot(thread->lane), &value, sizeof(T));
    sync_warp(mask, line);  // all lanes have written
    T result;
    std::memcpy(&result, exchange_slot(source_lane), sizeof(T));
    sync_warp(mask, line);  // all lanes have read
    return result;
}

}  // namespace emulation

#define threadIdx (::emulation::thread->index)
#define blockIdx (::emulation::block->index)
#define blockDim (::emulation::block->size)
#define gridDim (::emulation::block->grid)

// Static shared memory is the only thread-local data of a kernel library; `poison_shared` finds it by that.
#define __shared__ static thread_local
#define DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(::emulation::block->dynamic_shared)

#define __syncthreads() ::emulation::sync_block(__LINE__)
inline void __syncwarp(unsigned mask = 0xffffffffu) { emulation::sync_warp(mask, 0); }

constexpr int warpSize = 32;

template <class T> T __shfl_sync(unsigned mask, T v, int lane, int width = 32) {
    int self = emulation::thread->lane;
    return emulation::exchange(mask, v, (self & ~(width - 1)) | (lane & (width - 1)), 0);
}
template <class T> T __shfl_xor_sync(unsigned mask, T v, int lane_mask, int width = 32) {
    int self = emulation::thread->lane, other = self ^ lane_mask;
    return emulation::exchange(mask, v, (other & ~(width - 1)) == (self & ~(width - 1)) ? other : self, 0);
}
template <class T> T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32) {
    int self = emulation::thread->lane, other = self + int(delta);
    return emulation::exchange(mask, v, (self & (width - 1)) + int(delta) < width ? other : self, 0);
}
template <class T> T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32) {
    int self = emulation::thread->lane, other = self - int(delta);
    return emulation::exchange(mask, v, (self & (width - 1)) >= int(delta) ? other : self, 0);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
    unsigned vote = 0;
    int mine = predicate != 0;
    std::memcpy(emulation::exchange_slot(emulation::thread->lane), &mine, sizeof mine);
    emulation::sync_warp(mask, 0);
    for (int lane = 0; lane < 32; ++lane) {
        if (!(mask >> lane & 1)) continue;
        int theirs;
        std::memcpy(&theirs, emulation::exchange_slot(lane), sizeof theirs);
        vote |= unsigned(theirs) << lane;
    }
    emulation::sync_warp(mask, 0);
    return vote;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) == mask; }

// Blocks run on several operating-system threads: an atomic must be one.
template <class T, std::enable_if_t<std::is_integral_v<T>, int> = 0> T atomicAdd(T* p, T v) {
    return __atomic_fetch_add(p, v, __ATOMIC_RELAXED);
}

template <class T> T __ldg(const T* p) { return *p; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((uint64_t(a) * b) >> 32); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
template <class T> T min(T a, T b) { return b < a ? b : a; }
template <class T> T max(T a, T b) { return a < b ? b : a; }
