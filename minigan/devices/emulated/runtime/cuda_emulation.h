// The CUDA dialect for a C++ compiler: what kernels/*.cu use of CUDA, in the terms of scheduler.cpp.
//
// This header is included before a kernel file, in place of the CUDA compiler's built-in declarations. Each CUDA
// thread is a fiber, a function with a separate stack; a barrier switches to another fiber. The
// blocks of a grid run on a few operating-system threads, a whole block on one of them. So a
// block's shared memory is a thread-local variable.
#pragma once

#include <cmath>
#include <math.h>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#define MINIGAN_EMULATION
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __restrict__ __restrict

struct uint3 { unsigned x, y, z; };
struct dim3 { unsigned x = 1, y = 1, z = 1; };
struct __align__(16) float4 { float x, y, z, w; };
struct __align__(16) double2 { double x, y; };
struct __align__(16) uint4 { unsigned x, y, z, w; };

// Kernel libraries are compiled with hidden symbols. Those for float and for double have the same
// names, and the loader would otherwise let both share one shared-memory variable. What follows
// comes from the scheduler's library.
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

// A line of a kernel's source: as a default argument, that of the call.
struct SourceLine {
    const char* file;
    int line;
    static constexpr SourceLine here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }
};

// Barriers, and the line to name when not all threads reach one.
void sync_block(SourceLine line);
void sync_warp(unsigned mask, SourceLine line);

// Replace the `bytes` (at most 64) at `value` by those that `source_lane` of the warp brings to the same call.
void exchange(unsigned mask, void* value, size_t bytes, int source_lane, SourceLine line);
unsigned ballot(unsigned mask, bool predicate, SourceLine line);  // a bit for each lane of the mask
int lane_index();

// 64 bytes of each lane of the running warp, for exchanges of other forms: write one's own, __syncwarp, read the others', __syncwarp.
void* exchange_slot(int lane);

// Asynchronous copies of the running thread: they land when a wait says so, not before.
void copy_async(void* target, const void* source, size_t bytes, bool in_bounds);
void commit_async_group();
void wait_async_groups(int still_in_flight);

// *target = desired if *target is *expected; otherwise *expected = *target, and false. Of 4 or 8 bytes, atomically.
bool compare_exchange(void* target, void* expected, const void* desired, size_t bytes);

// Stop the whole launch with a message; it becomes a Python exception.
[[noreturn]] void fail(const char* message);
[[noreturn]] void fail_assertion(const char* condition, SourceLine line = SourceLine::here());

// Run `body(context)` once for each thread of each block.
using Body = void (*)(void* context);
using SharedAnchor = void* (*)();  // gives an address in the kernel library's static shared memory
struct Buffer;                     // an array of a strict or profiled launch: checker.h
struct SharedVariable;             // a static shared variable of the kernel library: checker.h
struct ProfileSink;                // profiler.h
struct LaunchSettings {            // as Python fills it in
    dim3 grid, block;
    uint64_t shared_bytes;
    uint32_t order_seed;
    int32_t workers;
    const Buffer* buffers;  // null: neither a strict nor a profiled launch
    int32_t buffer_count;
    int32_t shared_count;
    const SharedVariable* shared_variables;
    int32_t check;               // whether it is strict
    const ProfileSink* profile;  // where its counts go; null: not profiled
};
struct LaunchResult { char message[1024]; };
void run(Body body, void* context, const LaunchSettings& settings, const char* kernel, SharedAnchor anchor, LaunchResult* result);

// The reports of a strict build on a kernel; see checker.h. Its loads and stores report themselves (instrumentation.h).
uint3 thread_index();
uint3 block_index();
dim3 block_size();
dim3 grid_size();
unsigned char* dynamic_shared();

}  // namespace emulation
#pragma GCC visibility pop

// What belongs to the emulation is not the kernel's doing: a strict build does not watch it.
#define EMULATION_UNWATCHED __attribute__((no_sanitize("thread", "undefined")))

namespace emulation {

template <class... Parameters, size_t... I>
EMULATION_UNWATCHED void call(void (*kernel)(Parameters...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<std::decay_t<Parameters>*>(arguments[I])...);
}

// Launch a kernel with arguments behind pointers, as cuLaunchKernel takes them.
template <class... Parameters>
EMULATION_UNWATCHED void launch(void (*kernel)(Parameters...), const char* name, const LaunchSettings* settings,
                                void** arguments, SharedAnchor anchor, LaunchResult* result) {
    struct Call { void (*kernel)(Parameters...); void** arguments; } context{kernel, arguments};
    auto body = [](void* pointer) EMULATION_UNWATCHED {
        auto* c = static_cast<Call*>(pointer);
        call(c->kernel, c->arguments, std::index_sequence_for<Parameters...>{});
    };
    run(body, &context, *settings, name, anchor, result);
    std::fflush(stdout);  // the kernel's output, before Python's next
}

template <class T>
T exchanged(unsigned mask, T value, int source_lane, SourceLine line) {
    static_assert(sizeof(T) <= 64, "a slot holds 64 bytes");
    exchange(mask, &value, sizeof(T), source_lane, line);
    return value;
}

// Blocks run on several operating-system threads, so an atomic must be one. Gives the value before.
template <class T, class F>
__forceinline__ T update(T* p, F next) {
    T old{}, wanted;  // a wrong guess costs one more round
    do wanted = next(old);
    while (!compare_exchange(p, &old, &wanted, sizeof(T)));
    return old;
}

}  // namespace emulation

#ifdef MINIGAN_STRICT
#define threadIdx (::emulation::thread_index())
#define blockIdx (::emulation::block_index())
#define blockDim (::emulation::block_size())
#define gridDim (::emulation::grid_size())
#else
#define threadIdx (::emulation::thread->index)
#define blockIdx (::emulation::block->index)
#define blockDim (::emulation::block->size)
#define gridDim (::emulation::block->grid)
#endif

// Static shared memory is the only thread-local data of a kernel library: that is how the scheduler
// finds it. In a strict build a gap lies before each declaration, so a pointer that leaves a
// variable does not reach the next one.
#ifdef MINIGAN_STRICT
#define EMULATION_JOIN(a, b) a##b
#define EMULATION_NUMBERED(name, number) EMULATION_JOIN(name, number)
#define __shared__ \
    __attribute__((used)) static thread_local char EMULATION_NUMBERED(emulation_gap_, __COUNTER__)[1024]; \
    static thread_local
#else
#define __shared__ static thread_local
#endif
#define DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(::emulation::dynamic_shared())

#define assert(condition) ((condition) ? void() : ::emulation::fail_assertion(#condition))

inline void __syncthreads(emulation::SourceLine line = emulation::SourceLine::here()) { emulation::sync_block(line); }
inline void __syncwarp(unsigned mask = 0xffffffffu, emulation::SourceLine line = emulation::SourceLine::here()) { emulation::sync_warp(mask, line); }

constexpr int warpSize = 32;

template <class T>
T __shfl_sync(unsigned mask, T v, int lane, int width = 32, emulation::SourceLine line = emulation::SourceLine::here()) {
    const int self = emulation::lane_index();
    return emulation::exchanged(mask, v, (self & ~(width - 1)) | (lane & (width - 1)), line);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T v, int lane_mask, int width = 32, emulation::SourceLine line = emulation::SourceLine::here()) {
    const int self = emulation::lane_index(), other = self ^ lane_mask;
    return emulation::exchanged(mask, v, (other & ~(width - 1)) == (self & ~(width - 1)) ? other : self, line);
}
template <class T>
T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32, emulation::SourceLine line = emulation::SourceLine::here()) {
    const int self = emulation::lane_index(), other = self + int(delta);
    return emulation::exchanged(mask, v, (self & (width - 1)) + int(delta) < width ? other : self, line);
}
template <class T>
T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32, emulation::SourceLine line = emulation::SourceLine::here()) {
    const int self = emulation::lane_index(), other = self - int(delta);
    return emulation::exchanged(mask, v, (self & (width - 1)) >= int(delta) ? other : self, line);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, emulation::SourceLine line = emulation::SourceLine::here()) {
    return emulation::ballot(mask, predicate != 0, line);
}
inline int __any_sync(unsigned mask, int predicate, emulation::SourceLine line = emulation::SourceLine::here()) {
    return emulation::ballot(mask, predicate != 0, line) != 0;
}
inline int __all_sync(unsigned mask, int predicate, emulation::SourceLine line = emulation::SourceLine::here()) {
    return emulation::ballot(mask, predicate != 0, line) == mask;
}

template <class T> __forceinline__ T atomicAdd(T* p, T v) {
    return emulation::update(p, [v](T old) { return T(old + v); });
}
template <class T> __forceinline__ T atomicMax(T* p, T v) {
    return emulation::update(p, [v](T old) { return old < v ? v : old; });
}
template <class T> __forceinline__ T atomicExch(T* p, T v) {
    return emulation::update(p, [v](T) { return v; });
}
template <class T> __forceinline__ T atomicCAS(T* p, T expected, T v) {
    return emulation::update(p, [=](T old) { return old == expected ? v : old; });
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
