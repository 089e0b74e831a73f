// Runs a grid of CUDA threads on a CPU: blocks on operating-system threads, the threads of a block as fibers.
//
// A fiber runs until it reaches a barrier or its end. The scheduler then resumes another, in an order that a seed
// decides, so that a kernel which relies on an order that CUDA does not promise does not work by luck. A block barrier
// opens when all threads of the block wait at it, a warp barrier when all lanes of its mask do; if nobody can
// run and nobody has been released, some threads are at a barrier that the others never reach: that is an error
// which names the lines.
#include "cuda_emulation.h"

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

#include "context_switch.h"

namespace emulation {

thread_local const Thread* thread;
thread_local const Block* block;

namespace {

constexpr size_t kStackBytes = 64 * 1024;
constexpr int kSlotBytes = 64;

std::atomic<unsigned> g_order_seed{1};
std::atomic<int> g_worker_count{0};

enum class State { ready, at_block_barrier, at_warp_barrier, done };

struct PendingCopy {
    void* target;
    const void* source;
    size_t bytes;
    bool in_bounds;
};

struct Fiber {
    Context context;
    Thread where;
    State state;
    unsigned mask;  // of the warp barrier it waits at
    int line;       // of the barrier it waits at
    std::vector<std::vector<PendingCopy>> async_groups;  // committed, oldest first
    std::vector<PendingCopy> async_open;                 // not yet committed
    std::unique_ptr<char[]> stack{new char[kStackBytes]};
};

// A grid that is being run: workers take its blocks by number until none is left, or one has failed.
struct Launch {
    Body body;
    void* context;
    dim3 grid, block;
    size_t shared_bytes;
    const char* kernel;
    void (*poison_shared)();
    unsigned seed;
    size_t blocks;
    std::atomic<size_t> next{0};
    std::mutex mutex{};
    std::string message{};
};

// One operating-system thread, which runs one block at a time.
class Worker {
public:
    // Run a block to its end; the message is empty if all went well.
    std::string run_block(const Launch& launch, const uint3& index, unsigned char* dynamic_shared, unsigned seed) {
        launch_ = &launch;
        block_ = {index, launch.block, launch.grid, dynamic_shared};
        block = &block_;
        random_ = seed * 2654435761u + 1;
        message_.clear();
        const int count = int(block_.size.x * block_.size.y * block_.size.z);
        prepare_fibers(count);
        int done = 0;
        while (done < count && message_.empty()) {
            bool progressed = false;
            for (int warp : shuffled(warp_order_, (count + 31) / 32)) progressed |= run_warp(warp, count);
            if (!message_.empty()) break;
            done = count_in(State::done, count);
            if (open_block_barrier(count, done)) continue;
            if (!progressed && done < count) report_stuck(count);
        }
        return message_;
    }

    void yield(State state) {
        current_->state = state;
        switch_context(current_->context, scheduler_);
        thread = &current_->where;
    }

    [[noreturn]] void abandon(const std::string& message) {
        message_ = message;
        yield(State::done);
        std::abort();  // never resumed
    }

    Fiber& current() { return *current_; }
    void* slot(int lane) { return slots_ + (current_->where.warp * 32 + lane) * kSlotBytes; }
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
            const unsigned x = block_.size.x, y = block_.size.y;
            fiber.where = {{i % x, i / x % y, i / (x * y)}, i, i / 32, i % 32};
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
                complete &= peer.state == State::at_warp_barrier && peer.mask == mask;
            }
            if (!complete) continue;
            for (int other = 0; other < lanes; ++other)
                if (mask >> other & 1) fibers_[first + other]->state = State::ready;
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
            if (fiber.line != first->line) {
                report(fiber, "is at the barrier in line " + std::to_string(fiber.line), *first);
                return false;
            }
        }
        for (int i = 0; i < count; ++i) fibers_[i]->state = State::ready;
        return true;
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
        message_ = std::string(launch_->kernel) + ": a barrier that not all threads reach: thread " + name(waiting) +
                   " waits in line " + std::to_string(waiting.line) + ", and thread " + name(other) + " " + what;
    }

    void report_stuck(int count) {
        const Fiber* waiting = first_waiting(count);
        for (int i = 0; i < count; ++i) {
            const Fiber& other = *fibers_[i];
            if (other.state == waiting->state && other.line == waiting->line && other.mask == waiting->mask) continue;
            const char* what = other.state == State::done ? "has ended" : "waits at another barrier";
            return report(other, what, *waiting);
        }
        report(*waiting, "is not in its mask", *waiting);
    }

    std::string name(const Fiber& fiber) const {
        char text[96];
        const uint3 b = block_.index, t = fiber.where.index;
        std::snprintf(text, sizeof text, "(%u,%u,%u) of block (%u,%u,%u)", t.x, t.y, t.z, b.x, b.y, b.z);
        return text;
    }

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
    memory.resize(launch.shared_bytes + 128);
    auto* dynamic_shared = memory.data() + (128 - reinterpret_cast<uintptr_t>(memory.data()) % 128) % 128;
    for (size_t i; (i = launch.next++) < launch.blocks;) {
        launch.poison_shared();
        std::memset(dynamic_shared, 0xff, launch.shared_bytes);  // every bit set: a NaN
        const size_t x = launch.grid.x, y = launch.grid.y;
        const uint3 index{unsigned(i % x), unsigned(i / x % y), unsigned(i / x / y)};
        const std::string message = worker.run_block(launch, index, dynamic_shared, launch.seed + unsigned(i));
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
        const size_t workers = std::min(g_worker_count > 0 ? size_t(g_worker_count) : cores, launch.blocks);
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

void sync_block(int line) {
    Worker& worker = *Worker::active();
    worker.current().line = line;
    worker.current().mask = 0;
    worker.yield(State::at_block_barrier);
}

void sync_warp(unsigned mask, int line) {
    Worker& worker = *Worker::active();
    if (!(mask >> worker.current().where.lane & 1)) fail("a warp barrier whose mask leaves out the lane that calls it");
    worker.current().line = line;
    worker.current().mask = mask;
    worker.yield(State::at_warp_barrier);
}

void* exchange_slot(int lane) { return Worker::active()->slot(lane); }

void copy_async(void* target, const void* source, size_t bytes, bool in_bounds) {
    // Until it lands the target holds NaN: who reads too early shall see it.
    std::memset(target, 0xff, bytes);
    Worker::active()->current().async_open.push_back({target, source, bytes, in_bounds});
}

void commit_async_group() {
    Fiber& fiber = Worker::active()->current();
    fiber.async_groups.push_back(std::move(fiber.async_open));
    fiber.async_open.clear();
}

void wait_async_groups(int still_in_flight) {
    auto& groups = Worker::active()->current().async_groups;
    while (int(groups.size()) > still_in_flight) {
        for (const PendingCopy& copy : groups.front()) {
            if (copy.in_bounds) std::memcpy(copy.target, copy.source, copy.bytes);
            else std::memset(copy.target, 0, copy.bytes);
        }
        groups.erase(groups.begin());
    }
}

void fail(const char* message) { Worker::active()->abandon(message); }

void run(Body body, void* context, dim3 grid, dim3 block_size, size_t shared_bytes, const char* kernel,
         void (*poison_shared)(), LaunchResult* result) {
    Launch launch{body, context, grid, block_size, shared_bytes, kernel, poison_shared, g_order_seed,
                  size_t(grid.x) * grid.y * grid.z};
    Pool::instance().run(launch);
    std::snprintf(result->message, sizeof result->message, "%s", launch.message.c_str());
}

extern "C" void minigan_configure(unsigned order_seed, int workers) {
    g_order_seed = order_seed;
    g_worker_count = workers;
}

}  // namespace emulation
