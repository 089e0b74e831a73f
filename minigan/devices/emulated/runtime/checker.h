// The watch of a strict launch: each access of each thread, for bounds, for unwritten bytes, and for races.
//
// A kernel library of the strict build calls `Checker::access` before every load and store (instrumentation.cpp). Memory is
// known by regions: the buffers of the launch, the block's shared memory, the variables of the
// file. A region is divided into cells of four bytes (of one, once an access asks for less). A cell
// remembers who wrote it last, who has read it since, and whether it holds anything.
//
// A read of an unwritten cell is noted, and reported when no other thread can write the cell any
// more. If one still does, unordered, that is a race, and the message says so. A race is noted as
// well, and reported when the block reaches its next barrier or its end. If some threads never get
// there, the barrier is the error.
//
// A race is two accesses to one cell by different threads, at least one of them a write, not both atomic, that nothing
// orders. Within a block __syncthreads orders all threads; __syncwarp, shuffles and votes the lanes of their mask. Nothing
// orders two blocks of a launch. An asynchronous copy is a write from its issue to its wait. Until
// then no thread may touch the target; afterwards it counts as the thread's own write.
//
// Lines of code, arguments and shared variables stand in a message as {code:…}, {argument:…}, {shared:…} and {variable:…}: Python
// knows their names (reports.py).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cuda_emulation.h"

namespace emulation {

// An array among a launch's arguments, as Python describes it (strict.py).
struct Buffer {
    uint64_t address, bytes;
    int32_t argument;       // its place among the arguments; -1: a struct passed by value, which is not watched
    int32_t item_bytes;
    int32_t writeable;
    int32_t may_be_unset;   // items with all bits set have not been written yet
};

// A static shared variable, by its place in the kernel library's shared memory, as Python reads it from the library (reports.py).
struct SharedVariable { uint64_t offset, bytes; };

enum class Kind { read, write, atomic };

// Where the calling thread has the static shared memory of a kernel library, and where the library itself lies.
struct Library {
    uintptr_t anchor, base, image_begin, image_end, shared;
    size_t shared_bytes;
};

// Who touched a cell, when, and in which line.
struct Access {
    uint32_t block;   // its number plus 1; 0 is no thread
    uint32_t epoch;   // block barriers before it
    uint32_t time;    // of its warp, which ticks at each of the warp's barriers
    uint32_t thread;  // linear, in the block
    uint32_t code;    // an address in the kernel library
};

// The accesses that come before the present one of a thread of the running block.
class Order {
public:
    void start(uint32_t block_number, int threads);
    void block_barrier() { ++epoch_; }
    void warp_barrier(int warp, unsigned lanes);
    Access now(const Thread& thread, uint32_t code) const;
    bool before(const Access& access, const Thread& thread) const;

private:
    struct Warp {
        uint32_t time = 0;
        std::array<std::array<uint32_t, 32>, 32> synchronized{};  // [i][j]: when lane j last came before lane i
    };
    uint32_t block_ = 0, epoch_ = 0;
    std::vector<Warp> warps_;
};

// The accesses of one kind to a cell. It forgets an access that comes before a later one, and keeps
// at most two of different warps or blocks. An access ordered after both is ordered after all that
// it has ever held.
class AccessSet {
public:
    void add(const Access& access, const Thread& thread, const Order& order);
    const Access* unordered(const Thread& thread, const Order& order) const;
    void clear() { count_ = 0; }

private:
    const Access* entries() const { return more_.empty() ? few_.data() : more_.data(); }
    uint32_t count_ = 0;
    std::array<Access, 2> few_;
    std::vector<Access> more_;  // space for 32, for the lanes of one warp
};

struct Cell {
    uint32_t block = 0;  // for shared memory: the block with the accesses that it remembers, plus 1; otherwise 1 once it is in use
    bool set = false;
    Access copy{};   // the asynchronous copy that is on its way
    Access write{};  // the last one
    AccessSet reads;
    std::vector<AccessSet> atomics;  // one, or none yet
};

struct Region {
    enum class Kind { argument, parameter, shared, dynamic_shared, variables };
    Kind kind;
    uintptr_t begin, end;
    int argument;
    unsigned item_bytes;
    bool writeable, may_be_unset;
    unsigned cell_bytes;
    std::vector<std::unique_ptr<std::vector<Cell>>> pages{};  // made when first touched
};

// One launch's memory. It runs the blocks one after another, on one worker.
class Checker {
public:
    explicit Checker(const LaunchSettings& settings);
    // Shared memory and the file's variables, where this worker has them.
    void add_library(const Library& library, uintptr_t dynamic_shared, size_t dynamic_bytes);
    std::string line(uintptr_t code) const;  // of an instruction
    void start_block(uint32_t number, int threads) { block_ = number + 1; order_.start(block_, threads); }
    void warp_barrier(int warp, unsigned lanes) { order_.warp_barrier(warp, lanes); }
    void block_barrier() { order_.block_barrier(); }

    // The noted errors, as a message; empty without any. At a block's barriers and its end: races, and reads of unset shared
    // memory; at the launch's end reads of anything unset.
    const std::string& block_mistake() const { return race_.empty() ? unset_shared_ : race_; }
    const std::string& launch_mistake() const { return unset_; }

    // Before an access by the running thread, from the instruction at `code`. Stops the launch, or notes a mistake.
    void access(uintptr_t address, size_t bytes, Kind kind, uintptr_t code);
    void issue_copy(uintptr_t target, uintptr_t source, size_t bytes, bool in_bounds, uintptr_t code);
    void land_copy(uintptr_t target, size_t bytes, uintptr_t code);

private:
    Region& region(uintptr_t address, size_t bytes, Kind kind, uint32_t code);
    Cell& cell(Region& region, uintptr_t address);
    void check(Region& region, uintptr_t address, Kind kind, const Access& now);
    template <class Visit> void each_cell(uintptr_t address, size_t bytes, Kind kind, uint32_t code, Visit visit);
    [[noreturn]] void outside(uintptr_t address, size_t bytes, Kind kind, uint32_t code) const;
    void race(const Region& region, uintptr_t address, Kind kind, const Access& now, Kind earlier_kind, const Access& earlier);
    std::string place(const Region& region, uintptr_t address) const;

    const LaunchSettings& settings_;
    std::vector<Region> regions_;  // by address, once the library is there
    Region* recent_ = nullptr;
    Order order_;
    uint32_t block_ = 0;
    uintptr_t base_ = 0, shared_ = 0;
    std::string race_, unset_, unset_shared_;
};

// Tell whoever watches the running launch of an access, from the instruction at `code`.
void note_access(void* address, size_t bytes, Kind kind, uintptr_t code);

// Of the running worker: its launch's checker, or null; the name of a thread; and whether an
// address is the running thread's own. That is its stack, and the memory for its warp's exchanges.
Checker* active_checker();
bool is_own(uintptr_t address);
std::string thread_name(uint32_t block, uint32_t thread);
std::string running_thread_name();

}  // namespace emulation
