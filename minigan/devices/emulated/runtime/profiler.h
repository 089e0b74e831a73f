// The counts of a profiled launch, at each instruction of the kernel that touches memory: how the lanes of a warp touch it.
//
// A request is one warp's lanes at the nth execution of one instruction since the last block barrier. From its addresses:
//   global memory  sectors of 32 bytes that it touches; the least would be its bytes/32
//   shared memory  wavefronts: how often the memory is accessed for it. There are 32 banks of 4 bytes, and one wavefront reads one
//                  word of each; lanes that want one word share it. 8 bytes a lane are served by
//                  half warps, 16 by quarters.
// It also counts basic blocks, and with how many lanes each ran, which is the divergence. It counts
// barriers; and of each argument the bytes that were touched at all, the least that had to be
// moved.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "checker.h"

namespace emulation {

enum class Space : int32_t { global, shared };
enum class SiteKind : int32_t { read, write, atomic, barrier, basic_block };

// An instruction's counts, as Python reads them (profiling.py).
struct SiteCounts {
    uint64_t code;
    SiteKind kind;
    Space space;
    int32_t bytes;  // of one lane's access
    uint64_t requests, lanes, sectors, least_sectors, wavefronts, least_wavefronts;
};

struct ArgumentCounts {
    int32_t argument;
    uint64_t bytes, read, written;  // of the array; touched at least once
};

struct ProfileSink {
    void (*site)(const SiteCounts*);
    void (*argument)(const ArgumentCounts*);
};

class Profiler {
public:
    Profiler(const Buffer* buffers, int count);
    void add_library(const Library& library, uintptr_t dynamic_shared, size_t dynamic_bytes);
    void start_block(int threads);
    void access(uintptr_t address, size_t bytes, Kind kind, uintptr_t code);
    void basic_block(uintptr_t code) { count(code, SiteKind::basic_block); }
    void barrier(uintptr_t code) { count(code, SiteKind::barrier); }
    // All threads are at a block barrier, or have ended: the requests so far are complete.
    void settle();
    void emit(const ProfileSink& sink) const;

private:
    struct Request {
        uint32_t lanes = 0;
        std::array<uintptr_t, 32> address;
    };
    struct Site {
        SiteCounts counts{};
        std::vector<uint32_t> executions;            // by thread, since the last settling
        std::vector<std::vector<Request>> requests;  // by warp, then by execution
    };
    struct Argument {
        uintptr_t begin;
        ArgumentCounts counts;
        std::vector<bool> read, written;
    };
    Site& site(uintptr_t code, SiteKind kind, Space space, size_t bytes);
    void count(uintptr_t code, SiteKind kind);
    void touch(uintptr_t address, size_t bytes, Kind kind);

    std::map<std::pair<uintptr_t, SiteKind>, Site> sites_;
    std::vector<Argument> arguments_;
    std::array<std::pair<uintptr_t, uintptr_t>, 2> shared_{};
    std::vector<std::pair<uintptr_t, uintptr_t>> parameters_;  // structs passed by value
    uintptr_t base_ = 0;
    size_t threads_ = 0;
};

Profiler* active_profiler();

}  // namespace emulation
