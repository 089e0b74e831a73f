// Runs a grid of CUDA threads on a CPU: blocks on operating-system threads, the threads of a block as fibers.
//
// A fiber runs until it reaches a barrier or its end. The scheduler then resumes another, in an
// order that a seed decides. So a kernel that relies on an order that CUDA does not promise does
// not work by luck. A block barrier opens when all threads of the block wait at it, a warp barrier
// when all lanes of its mask do. If no thread can run and none has been released, some are at a
// barrier that the others never reach. That is an error which names the lines. In a strict launch a
// checker is told of every barrier and every asynchronous copy, in a profiled one a profiler.
#include <link.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "checker.h"
#include "context_switch.h"
#include "cuda_emulation.h"
#include "profiler.h"

namespace emulation {

thread_local const Thread* thread;
thread_local const Block* block;

namespace {

constexpr size_t kStackBytes = 128 * 1024;
constexpr int kSlotBytes = 64;

enum class State { ready, at_block_barrier, at_warp_barrier, done };

struct PendingCopy {
    void* target;
    const void* source;
    size_t bytes;
    bool in_bounds;
};

bool same(const SourceLine& a, const SourceLine& b) { return a.line == b.line && std::strcmp(a.file, b.file) == 0; }

std::string name(const SourceLine& line) {
    const char* slash = std::strrchr(line.file, '/');
    return std::string(slash ? slash + 1 : line.file) + ":" + std::to_string(line.line);
}

std::string name(const uint3& thread, const uint3& block) {
    char text[96];
    std::snprintf(text, sizeof text, "(%u,%u,%u) of block (%u,%u,%u)", thread.x, thread.y, thread.z, block.x, block.y, block.z);
    return text;
}

uint3 coordinates(size_t i, const dim3& sizes) {
    return {unsigned(i % sizes.x), unsigned(i / sizes.x % sizes.y), unsigned(i / (size_t(sizes.x) * sizes.y))};
}

int find_library(dl_phdr_info* info, size_t, void* wanted) {
    auto& library = *static_cast<Library*>(wanted);
    const auto shared = reinterpret_cast<uintptr_t>(info->dlpi_tls_data);
    uintptr_t begin = ~uintptr_t(0), end = 0;
    bool found = false;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        const ElfW(Phdr)& header = info->dlpi_phdr[i];
        if (header.p_type == PT_LOAD) {
            begin = std::min(begin, uintptr_t(info->dlpi_addr + header.p_vaddr));
            end = std::max(end, uintptr_t(info->dlpi_addr + header.p_vaddr + header.p_memsz));
        }
        if (header.p_type != PT_TLS || shared == 0) continue;
        found = library.anchor >= shared && library.anchor < shared + header.p_memsz;
        if (found) library.shared = shared, library.shared_bytes = header.p_memsz;
    }
    if (found) library.base = info->dlpi_addr, library.image_begin = begin, library.image_end = end;
    return found;
}

struct Fiber {
    Context context;
    Thread where;
    State state;
    unsigned mask;  // of the warp barrier it waits at
    SourceLine line;  // of the barrier it waits at
    std::vector<std::vector<PendingCopy>> async_groups;  // committed, oldest first
    std::vector<PendingCopy> async_open;                 // not yet committed
    std::unique_ptr<char[]> stack{new char[kStackBytes]};
};

// A grid that is being run: workers take its blocks by number until none is left, or one has failed.
struct Launch {
    Body body;
    void* context;
    const LaunchSettings& settings;
    const char* kernel;
    SharedAnchor anchor;
    size_t blocks;
    std::unique_ptr<Checker> checker{};    // of a strict launch
    std::unique_ptr<Profiler> profiler{};  // of a profiled one; either has one worker
    std::atomic<size_t> next{0};
    std::mutex mutex{};
    std::string message{};
};

// One operating-system thread, which runs one block at a time.
class Worker {
public:
    // Run a block to its end; the message is empty if all went well.
    std::string run_block(const Launch& launch, size_t number, unsigned char* dynamic_shared) {
        launch_ = &launch;
        block_ = {coordinates(number, launch.settings.grid), launch.settings.block, launch.settings.grid, dynamic_shared};
        block = &block_;
        random_ = (launch.settings.order_seed + unsigned(number)) * 2654435761u + 1;
        message_.clear();
        const int count = int(block_.size.x * block_.size.y * block_.size.z);
        prepare_fibers(count);
        if (checker()) checker()->start_block(uint32_t(number), count);
        if (profiler()) profiler()->start_block(count);
        int done = 0;
        while (done < count && message_.empty()) {
            bool progressed = false;
            for (int warp : shuffled(warp_order_, (count + 31) / 32)) progressed |= run_warp(warp, count);
            if (!message_.empty()) break;
            done = count_in(State::done, count);
            if (open_block_barrier(count, done)) continue;
            if (!progressed && done < count) report_stuck(count);
        }
        if (checker() && message_.empty()) refuse(checker()->block_mistake());
        if (profiler()) profiler()->settle();
        launch_ = nullptr;  // code between launches is not watched
        return message_;
    }

    void yield(State state) {
        current_->state = state;
        switch_context(current_->context, scheduler_);
        thread = &current_->where;
    }

    [[noreturn]] void abandon(const std::string& message) {
        refuse(message);
        yield(State::done);
        std::abort();  // never resumed
    }

    Fiber& current() { return *current_; }
    const Launch& launch() const { return *launch_; }
    Checker* checker() const { return launch_ ? launch_->checker.get() : nullptr; }
    Profiler* profiler() const { return launch_ ? launch_->profiler.get() : nullptr; }
    void* slot(int lane) { return slots_ + (current_->where.warp * 32 + lane) * kSlotBytes; }
    // Whether that lane of the running thread's warp is there to exchange values.
    bool has_lane(int lane) const {
        const int linear = current_->where.warp * 32 + lane;
        return linear < int(block_.size.x * block_.size.y * block_.size.z) && fibers_[size_t(linear)]->state != State::done;
    }
    static Worker*& active() {
        static thread_local Worker* worker;
        return worker;
    }

private:
    static void entry() {
        Worker& worker = *active();
        worker.launch_->body(worker.launch_->context);
        worker.yield(State::done);
        std::abort();  // a finished fiber is never resumed
    }

    void prepare_fibers(int count) {
        while (int(fibers_.size()) < count) fibers_.emplace_back(new Fiber);
        for (int i = 0; i < count; ++i) {
            Fiber& fiber = *fibers_[i];
            fiber.where = {coordinates(size_t(i), block_.size), i, i / 32, i % 32};
            fiber.state = State::ready;
            fiber.async_groups.clear();
            fiber.async_open.clear();
            prepare(fiber.context, fiber.stack.get(), kStackBytes, &Worker::entry);
        }
    }

    // Run the lanes of a warp until all of them wait at the block's barrier, are done, or cannot go on.
    bool run_warp(int warp, int count) {
        const int first = warp * 32, lanes = std::min(32, count - first);
        bool progressed = false;
        do {
            for (int lane : shuffled(lane_order_, lanes)) {
                Fiber& fiber = *fibers_[first + lane];
                if (fiber.state != State::ready) continue;
                current_ = &fiber;
                thread = &fiber.where;
                switch_context(scheduler_, fiber.context);
                progressed = true;
                if (!message_.empty()) return true;
            }
        } while (open_warp_barriers(first, lanes));
        return progressed;
    }

    // Release each set of lanes that all wait at a barrier of the same mask.
    bool open_warp_barriers(int first, int lanes) {
        bool opened = false;
        for (int lane = 0; lane < lanes; ++lane) {
            Fiber& fiber = *fibers_[first + lane];
            if (fiber.state != State::at_warp_barrier) continue;
            const unsigned mask = fiber.mask;
            bool complete = true;
            for (int other = 0; other < 32; ++other) {
                if (!(mask >> other & 1) || other >= lanes) continue;
                const Fiber& peer = *fibers_[first + other];
                complete &= peer.state == State::at_warp_barrier && peer.mask == mask && same(peer.line, fiber.line);
            }
            if (!complete) continue;
            for (int other = 0; other < lanes; ++other)
                if (mask >> other & 1) fibers_[first + other]->state = State::ready;
            if (checker()) checker()->warp_barrier(first / 32, mask);
            opened = true;
        }
        return opened;
    }

    bool open_block_barrier(int count, int done) {
        const int waiting = count_in(State::at_block_barrier, count);
        if (waiting == 0 || waiting + done < count) return false;
        const Fiber* first = nullptr;
        for (int i = 0; i < count; ++i) {
            const Fiber& fiber = *fibers_[i];
            if (fiber.state == State::done) {
                report(fiber, "has ended", *first_waiting(count));
                return false;
            }
            if (first == nullptr) first = &fiber;
            if (!same(fiber.line, first->line)) {
                report(fiber, "is at the barrier in " + emulation::name(fiber.line), *first);
                return false;
            }
        }
        for (int i = 0; i < count; ++i) fibers_[i]->state = State::ready;
        if (checker()) {
            checker()->block_barrier();
            refuse(checker()->block_mistake());
        }
        if (profiler()) profiler()->settle();
        return true;
    }

    void refuse(const std::string& mistake) {
        if (!mistake.empty()) message_ = std::string(launch_->kernel) + ": " + mistake;
    }

    const Fiber* first_waiting(int count) const {
        for (int i = 0; i < count; ++i)
            if (fibers_[i]->state != State::done) return fibers_[i].get();
        return nullptr;
    }

    int count_in(State state, int count) const {
        int total = 0;
        for (int i = 0; i < count; ++i) total += fibers_[i]->state == state;
        return total;
    }

    void report(const Fiber& other, const std::string& what, const Fiber& waiting) {
        refuse("a barrier that not all threads reach: thread " + name(waiting) + " waits in " + emulation::name(waiting.line) +
               ", and thread " + name(other) + " " + what);
    }

    void report_stuck(int count) {
        const Fiber* waiting = first_waiting(count);
        for (int i = 0; i < count; ++i) {
            const Fiber& other = *fibers_[i];
            if (other.state == waiting->state && same(other.line, waiting->line) && other.mask == waiting->mask) continue;
            const char* what = other.state == State::done ? "has ended" : "waits at another barrier";
            return report(other, what, *waiting);
        }
        report(*waiting, "is not in its mask", *waiting);
    }

    std::string name(const Fiber& fiber) const { return emulation::name(fiber.where.index, block_.index); }

    // 0 … n−1 in a random order.
    const std::vector<int>& shuffled(std::vector<int>& order, int n) {
        order.resize(n);
        for (int i = 0; i < n; ++i) order[i] = i;
        for (int i = n - 1; i > 0; --i) {
            random_ = random_ * 1664525u + 1013904223u;
            std::swap(order[i], order[(random_ >> 8) % unsigned(i + 1)]);
        }
        return order;
    }

    const Launch* launch_ = nullptr;
    Block block_;
    Context scheduler_;
    Fiber* current_ = nullptr;
    std::vector<std::unique_ptr<Fiber>> fibers_;
    std::string message_;
    std::vector<int> warp_order_, lane_order_;
    unsigned random_ = 1;
    alignas(64) unsigned char slots_[1024 * kSlotBytes];
};

// Take blocks of a launch until there are none.
void take_blocks(Launch& launch) {
    static thread_local Worker worker;
    static thread_local std::vector<unsigned char> memory;
    Worker::active() = &worker;
    const size_t bytes = launch.settings.shared_bytes;
    memory.resize(bytes + 128);
    auto* dynamic_shared = memory.data() + (128 - reinterpret_cast<uintptr_t>(memory.data()) % 128) % 128;
    Library library{reinterpret_cast<uintptr_t>(launch.anchor()), 0, 0, 0, 0, 0};
    dl_iterate_phdr(find_library, &library);
    if (launch.checker) launch.checker->add_library(library, reinterpret_cast<uintptr_t>(dynamic_shared), bytes);
    if (launch.profiler) launch.profiler->add_library(library, reinterpret_cast<uintptr_t>(dynamic_shared), bytes);
    for (size_t i; (i = launch.next++) < launch.blocks;) {
        std::memset(reinterpret_cast<void*>(library.shared), 0xff, library.shared_bytes);  // every bit set: a NaN
        std::memset(dynamic_shared, 0xff, bytes);
        const std::string message = worker.run_block(launch, i, dynamic_shared);
        if (message.empty()) continue;
        std::lock_guard<std::mutex> lock(launch.mutex);
        launch.message = message;
        launch.next = launch.blocks;
    }
}

// The operating-system threads beside the caller's. They live as long as the process: their fibers' stacks are kept.
class Pool {
public:
    static Pool& instance() {
        static Pool* pool = new Pool;  // never destroyed: its threads may outlive static objects
        return *pool;
    }

    void run(Launch& launch) {
        std::lock_guard<std::mutex> one_at_a_time(launching_);
        const size_t cores = std::max(1u, std::thread::hardware_concurrency());
        const size_t wanted = launch.settings.workers > 0 ? size_t(launch.settings.workers) : cores;
        const size_t workers = launch.settings.buffers ? 1 : std::min(wanted, launch.blocks);
        while (threads_ + 1 < workers) std::thread([this, number = threads_++] { serve(number); }).detach();
        {
            std::lock_guard<std::mutex> lock(mutex_);
            launch_ = &launch;
            helpers_ = busy_ = workers > 0 ? workers - 1 : 0;
            ++generation_;
        }
        changed_.notify_all();
        take_blocks(launch);
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [this] { return busy_ == 0; });
    }

private:
    void serve(size_t number) {
        for (size_t seen = 0;;) {
            std::unique_lock<std::mutex> lock(mutex_);
            changed_.wait(lock, [&] { return generation_ != seen; });
            seen = generation_;
            if (number >= helpers_) continue;
            Launch& launch = *launch_;
            lock.unlock();
            take_blocks(launch);
            lock.lock();
            if (--busy_ == 0) changed_.notify_all();
        }
    }

    std::mutex launching_, mutex_;
    std::condition_variable changed_;
    Launch* launch_ = nullptr;
    size_t threads_ = 0, helpers_ = 0, busy_ = 0, generation_ = 0;
};

}  // namespace

void sync_block(SourceLine line) {
    Worker& worker = *Worker::active();
    if (Profiler* profiler = worker.profiler()) profiler->barrier(uintptr_t(__builtin_return_address(0)) - 1);
    worker.current().line = line;
    worker.current().mask = 0;
    worker.yield(State::at_block_barrier);
}

void sync_warp(unsigned mask, SourceLine line) {
    Worker& worker = *Worker::active();
    if (!(mask >> worker.current().where.lane & 1))
        fail((running_thread_name() + " calls a warp barrier in " + name(line) + " whose mask leaves its lane out").c_str());
    worker.current().line = line;
    worker.current().mask = mask;
    worker.yield(State::at_warp_barrier);
}

void exchange(unsigned mask, void* value, size_t bytes, int source_lane, SourceLine line) {
    Worker& worker = *Worker::active();
    std::memcpy(worker.slot(lane_index()), value, bytes);
    sync_warp(mask, line);  // all lanes have written
    if (!(mask >> source_lane & 1) || !worker.has_lane(source_lane))
        fail((running_thread_name() + " asks in " + name(line) + " for the value of lane " + std::to_string(source_lane) +
              ", which takes no part in the exchange").c_str());
    std::memcpy(value, worker.slot(source_lane), bytes);
    sync_warp(mask, line);  // all lanes have read
}

unsigned ballot(unsigned mask, bool predicate, SourceLine line) {
    Worker& worker = *Worker::active();
    *static_cast<bool*>(worker.slot(lane_index())) = predicate;
    sync_warp(mask, line);
    unsigned votes = 0;
    for (int lane = 0; lane < 32; ++lane)
        if (mask >> lane & 1 && worker.has_lane(lane)) votes |= unsigned(*static_cast<bool*>(worker.slot(lane))) << lane;
    sync_warp(mask, line);
    return votes;
}

int lane_index() { return thread->lane; }
void* exchange_slot(int lane) { return Worker::active()->slot(lane); }
uint3 thread_index() { return thread->index; }
uint3 block_index() { return block->index; }
dim3 block_size() { return block->size; }
dim3 grid_size() { return block->grid; }
unsigned char* dynamic_shared() { return block->dynamic_shared; }

bool compare_exchange(void* target, void* expected, const void* desired, size_t bytes) {
    note_access(target, bytes, Kind::atomic, uintptr_t(__builtin_return_address(0)) - 1);
    if (bytes == 4) {
        uint32_t wanted;
        std::memcpy(&wanted, desired, 4);
        return __atomic_compare_exchange_n(static_cast<uint32_t*>(target), static_cast<uint32_t*>(expected), wanted, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
    if (bytes != 8) fail("an atomic operation on neither 4 nor 8 bytes");
    uint64_t wanted;
    std::memcpy(&wanted, desired, 8);
    return __atomic_compare_exchange_n(static_cast<uint64_t*>(target), static_cast<uint64_t*>(expected), wanted, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

void copy_async(void* target, const void* source, size_t bytes, bool in_bounds) {
    const uintptr_t code = uintptr_t(__builtin_return_address(0)) - 1;
    Checker* checker = active_checker();
    if ((in_bounds && uintptr_t(source) % bytes) || uintptr_t(target) % bytes)
        fail((running_thread_name() + " copies " + std::to_string(bytes) + " bytes asynchronously" + (checker ? " " + checker->line(code) : "") +
              " between addresses that are no multiples of " + std::to_string(bytes)).c_str());
    if (checker) checker->issue_copy(uintptr_t(target), uintptr_t(source), bytes, in_bounds, code);
    if (Profiler* profiler = active_profiler()) {
        if (in_bounds) profiler->access(uintptr_t(source), bytes, Kind::read, code);
        profiler->access(uintptr_t(target), bytes, Kind::write, code);
    }
    // Until it lands the target holds NaN: a thread that reads too early sees it.
    std::memset(target, 0xff, bytes);
    Worker::active()->current().async_open.push_back({target, source, bytes, in_bounds});
}

void commit_async_group() {
    Fiber& fiber = Worker::active()->current();
    fiber.async_groups.push_back(std::move(fiber.async_open));
    fiber.async_open.clear();
}

void wait_async_groups(int still_in_flight) {
    Checker* checker = active_checker();
    auto& groups = Worker::active()->current().async_groups;
    while (int(groups.size()) > still_in_flight) {
        for (const PendingCopy& copy : groups.front()) {
            if (checker) checker->land_copy(uintptr_t(copy.target), copy.bytes, uintptr_t(__builtin_return_address(0)) - 1);
            if (copy.in_bounds) std::memcpy(copy.target, copy.source, copy.bytes);
            else std::memset(copy.target, 0, copy.bytes);
        }
        groups.erase(groups.begin());
    }
}

void fail(const char* message) { Worker::active()->abandon(message); }

void fail_assertion(const char* condition, SourceLine line) {
    fail((running_thread_name() + " finds in " + name(line) + " that '" + condition + "' does not hold").c_str());
}

// -- for the checker and the profiler -------------------------------------------------------------

void note_access(void* address, size_t bytes, Kind kind, uintptr_t code) {
    const Worker* worker = Worker::active();
    if (worker == nullptr) return;
    if (Checker* checker = worker->checker()) checker->access(uintptr_t(address), bytes, kind, code);
    if (Profiler* profiler = worker->profiler()) profiler->access(uintptr_t(address), bytes, kind, code);
}

Checker* active_checker() {
    const Worker* worker = Worker::active();
    return worker ? worker->checker() : nullptr;
}

Profiler* active_profiler() {
    const Worker* worker = Worker::active();
    return worker ? worker->profiler() : nullptr;
}

bool is_own(uintptr_t address) {
    Worker& worker = *Worker::active();
    const auto stack = reinterpret_cast<uintptr_t>(worker.current().stack.get()), slots = reinterpret_cast<uintptr_t>(worker.slot(0));
    return (address >= stack && address < stack + kStackBytes) || (address >= slots && address < slots + 32 * kSlotBytes);
}

std::string thread_name(uint32_t block_number, uint32_t linear) {
    const LaunchSettings& settings = Worker::active()->launch().settings;
    return name(coordinates(linear, settings.block), coordinates(block_number - 1, settings.grid));
}

std::string running_thread_name() { return "thread " + name(thread->index, block->index); }

void run(Body body, void* context, const LaunchSettings& settings, const char* kernel, SharedAnchor anchor, LaunchResult* result) {
    Launch launch{body, context, settings, kernel, anchor, size_t(settings.grid.x) * settings.grid.y * settings.grid.z};
    if (settings.check) launch.checker = std::make_unique<Checker>(settings);
    if (settings.profile) launch.profiler = std::make_unique<Profiler>(settings.buffers, settings.buffer_count);
    Pool::instance().run(launch);
    if (launch.profiler) launch.profiler->emit(*settings.profile);
    if (launch.checker && launch.message.empty() && !launch.checker->launch_mistake().empty())
        launch.message = std::string(kernel) + ": " + launch.checker->launch_mistake();
    std::snprintf(result->message, sizeof result->message, "%s", launch.message.c_str());
}

}  // namespace emulation
