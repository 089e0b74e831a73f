// The entry points that the compiler puts into a strict kernel library (-fsanitize=thread, bounds,
// alignment, …). It calls one before each load and store with its address, and one where an index
// or an integer is out of its range. For a profile it also calls one at the start of each basic
// block (-fsanitize-coverage=trace-pc). The sanitizers' own runtimes are not linked: here the calls
// go to the checker and the profiler of the launch.
#include "profiler.h"

namespace emulation {

// How the undefined-behaviour sanitizer describes a place in the source: the start of what its calls bring.
struct SourceLocation { const char* file; uint32_t line, column; };

namespace {

inline void watch(void* address, size_t bytes, Kind kind, void* code) {
    note_access(address, bytes, kind, uintptr_t(code) - 1);
}

inline void watch_copy(void* to, const void* from, size_t bytes, void* code) {
    watch(const_cast<void*>(from), bytes, Kind::read, code);
    watch(to, bytes, Kind::write, code);
}

[[noreturn]] void refuse(const SourceLocation& at, const std::string& what) {
    const char* slash = std::strrchr(at.file, '/');
    fail((running_thread_name() + " " + what + " in " + (slash ? slash + 1 : at.file) + ":" + std::to_string(at.line)).c_str());
}

}  // namespace
}  // namespace emulation

#define ENTRY extern "C" __attribute__((visibility("default"))) void
#define CALLER __builtin_return_address(0)
#define ACCESS(name, bytes)                                                                                     \
    ENTRY __tsan_read##name(void* p) { emulation::watch(p, bytes, emulation::Kind::read, CALLER); }              \
    ENTRY __tsan_write##name(void* p) { emulation::watch(p, bytes, emulation::Kind::write, CALLER); }            \
    ENTRY __tsan_unaligned_read##name(void* p) { emulation::watch(p, bytes, emulation::Kind::read, CALLER); }    \
    ENTRY __tsan_unaligned_write##name(void* p) { emulation::watch(p, bytes, emulation::Kind::write, CALLER); }

ACCESS(1, 1)
ACCESS(2, 2)
ACCESS(4, 4)
ACCESS(8, 8)
ACCESS(16, 16)
ENTRY __tsan_read_range(void* p, unsigned long bytes) { emulation::watch(p, bytes, emulation::Kind::read, CALLER); }
ENTRY __tsan_write_range(void* p, unsigned long bytes) { emulation::watch(p, bytes, emulation::Kind::write, CALLER); }
ENTRY __sanitizer_cov_trace_pc() {
    if (emulation::Profiler* profiler = emulation::active_profiler()) profiler->basic_block(uintptr_t(CALLER) - 1);
}
ENTRY __tsan_func_entry(void*) {}
ENTRY __tsan_func_exit() {}
ENTRY __tsan_init() {}

// Accesses that the compiler makes calls of the C library, and the linker calls of these (--wrap).
#define ENTRY_POINTER extern "C" __attribute__((visibility("default"))) void*
ENTRY_POINTER __wrap_memcpy(void* to, const void* from, size_t bytes) {
    emulation::watch_copy(to, from, bytes, CALLER);
    return std::memcpy(to, from, bytes);
}
ENTRY_POINTER __wrap_memmove(void* to, const void* from, size_t bytes) {
    emulation::watch_copy(to, from, bytes, CALLER);
    return std::memmove(to, from, bytes);
}
ENTRY_POINTER __wrap_memset(void* to, int value, size_t bytes) {
    emulation::watch(to, bytes, emulation::Kind::write, CALLER);
    return std::memset(to, value, bytes);
}

using Where = emulation::SourceLocation;
ENTRY __ubsan_handle_out_of_bounds(Where* where, intptr_t index) {
    emulation::refuse(*where, "uses index " + std::to_string(index) + ", outside its array,");
}
ENTRY __ubsan_handle_type_mismatch_v1(Where* where, uintptr_t) {
    emulation::refuse(*where, "uses an address that is not aligned for its type");
}
ENTRY __ubsan_handle_divrem_overflow(Where* where, uintptr_t, uintptr_t) {
    emulation::refuse(*where, "divides an integer by zero");
}
#define OVERFLOW(operation) \
    ENTRY __ubsan_handle_##operation##_overflow(Where* where, uintptr_t, uintptr_t) { emulation::refuse(*where, "has an integer overflow"); }
OVERFLOW(add)
OVERFLOW(sub)
OVERFLOW(mul)
OVERFLOW(negate)
