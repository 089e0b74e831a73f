#include "checker.h"

#include <algorithm>
#include <cstring>

namespace emulation {

// -- order ----------------------------------------------------------------------------------------

void Order::start(uint32_t block_number, int threads) {
    block_ = block_number;
    epoch_ = 0;
    warps_.assign(size_t(threads + 31) / 32, Warp{});
}

void Order::warp_barrier(int warp, unsigned lanes) {
    Warp& w = warps_[size_t(warp)];
    ++w.time;
    std::array<uint32_t, 32> joined{};
    for (int lane = 0; lane < 32; ++lane) {
        if (!(lanes >> lane & 1)) continue;
        for (size_t other = 0; other < 32; ++other) joined[other] = std::max(joined[other], w.synchronized[size_t(lane)][other]);
    }
    for (size_t lane = 0; lane < 32; ++lane)
        if (lanes >> lane & 1) joined[lane] = w.time;
    for (size_t lane = 0; lane < 32; ++lane)
        if (lanes >> lane & 1) w.synchronized[lane] = joined;
}

Access Order::now(const Thread& thread, uint32_t code) const {
    return {block_, epoch_, warps_[size_t(thread.warp)].time, uint32_t(thread.linear), code};
}

bool Order::before(const Access& access, const Thread& thread) const {
    if (access.block != block_) return false;
    if (access.epoch < epoch_ || access.thread == uint32_t(thread.linear)) return true;
    if (int(access.thread / 32) != thread.warp) return false;
    return warps_[size_t(thread.warp)].synchronized[size_t(thread.lane)][access.thread % 32] > access.time;
}

// -- sets of accesses -----------------------------------------------------------------------------

void AccessSet::add(const Access& access, const Thread& thread, const Order& order) {
    Access kept[32];
    uint32_t count = 0;
    for (uint32_t i = 0; i < count_; ++i) {
        const Access& earlier = entries()[i];
        if (order.before(earlier, thread)) continue;
        if (earlier.block != access.block || earlier.thread / 32 != access.thread / 32) {
            few_ = {earlier, access};  // two warps or blocks: these two are enough
            more_.clear();
            count_ = 2;
            return;
        }
        kept[count++] = earlier;
    }
    kept[count++] = access;
    if (count > few_.size()) more_.resize(32);
    std::copy(kept, kept + count, more_.empty() ? few_.begin() : more_.data());
    count_ = count;
}

const Access* AccessSet::unordered(const Thread& thread, const Order& order) const {
    for (uint32_t i = 0; i < count_; ++i)
        if (!order.before(entries()[i], thread)) return entries() + i;
    return nullptr;
}

// -- regions --------------------------------------------------------------------------------------

namespace {

constexpr size_t kPageCells = 1024;

const char* verb(Kind kind, bool past) {
    switch (kind) {
        case Kind::read: return past ? "read" : "reads";
        case Kind::write: return past ? "wrote" : "writes";
        default: return past ? "changed atomically" : "changes atomically";
    }
}

std::string in_line(uint32_t code) {
    char text[32];
    std::snprintf(text, sizeof text, "in {code:%x}", code);
    return text;
}

std::string name(const Access& access) { return "thread " + thread_name(access.block, access.thread); }

Region make_region(Region::Kind kind, uintptr_t begin, size_t bytes) {
    return {kind, begin, begin + bytes, -1, 4, true, false, 4};
}

bool is_shared(const Region& region) { return region.kind == Region::Kind::shared || region.kind == Region::Kind::dynamic_shared; }

// Cells of one byte from now on: an access has asked for less than four.
void split(Region& region) {
    std::vector<std::unique_ptr<std::vector<Cell>>> pages;
    std::swap(pages, region.pages);
    const unsigned wide = region.cell_bytes;
    region.cell_bytes = 1;
    region.pages.resize(pages.size() * wide);
    for (size_t i = 0; i < pages.size(); ++i) {
        if (!pages[i]) continue;
        for (size_t part = 0; part < wide; ++part) region.pages[i * wide + part] = std::make_unique<std::vector<Cell>>(kPageCells);
        for (size_t j = 0; j < kPageCells; ++j) {
            for (size_t byte = 0; byte < wide; ++byte) {
                const size_t at = j * wide + byte;
                (*region.pages[i * wide + at / kPageCells])[at % kPageCells] = (*pages[i])[j];
            }
        }
    }
}

}  // namespace

Checker::Checker(const LaunchSettings& settings) : settings_(settings) {
    for (const Buffer* buffer = settings.buffers; buffer != settings.buffers + settings.buffer_count; ++buffer) {
        Region region = make_region(Region::Kind::argument, uintptr_t(buffer->address), size_t(buffer->bytes));
        region.argument = buffer->argument;
        if (region.argument < 0) region.kind = Region::Kind::parameter;
        region.item_bytes = unsigned(buffer->item_bytes);
        region.writeable = buffer->writeable;
        region.may_be_unset = buffer->may_be_unset;
        region.cell_bytes = region.item_bytes % 4 || region.begin % 4 ? 1 : 4;
        regions_.push_back(std::move(region));
    }
}

void Checker::add_library(const Library& library, uintptr_t dynamic_shared, size_t dynamic_bytes) {
    base_ = library.base;
    shared_ = library.shared;
    const SharedVariable whole{0, library.shared_bytes};  // where the variables are not told apart
    const SharedVariable* variables = settings_.shared_count ? settings_.shared_variables : &whole;
    for (int i = 0; i < std::max(1, settings_.shared_count); ++i)
        regions_.push_back(make_region(Region::Kind::shared, shared_ + uintptr_t(variables[i].offset), size_t(variables[i].bytes)));
    regions_.push_back(make_region(Region::Kind::dynamic_shared, dynamic_shared, dynamic_bytes));
    regions_.push_back(make_region(Region::Kind::variables, library.image_begin, library.image_end - library.image_begin));
    std::sort(regions_.begin(), regions_.end(), [](const Region& a, const Region& b) { return a.begin < b.begin; });
}

std::string Checker::line(uintptr_t code) const { return in_line(uint32_t(code - base_)); }

Region& Checker::region(uintptr_t address, size_t bytes, Kind kind, uint32_t code) {
    auto holds = [&](const Region& r) { return address >= r.begin && address + bytes <= r.end; };
    if (recent_ && holds(*recent_)) return *recent_;
    auto after = std::upper_bound(regions_.begin(), regions_.end(), address, [](uintptr_t a, const Region& r) { return a < r.begin; });
    if (after != regions_.begin() && holds(*--after)) return *(recent_ = &*after);
    outside(address, bytes, kind, code);
}

Cell& Checker::cell(Region& region, uintptr_t address) {
    const size_t index = (address - region.begin) / region.cell_bytes, page = index / kPageCells;
    if (region.pages.size() <= page) region.pages.resize(page + 1);
    if (!region.pages[page]) region.pages[page] = std::make_unique<std::vector<Cell>>(kPageCells);
    Cell& cell = (*region.pages[page])[index % kPageCells];
    const bool shared = is_shared(region);
    const uint32_t user = shared ? block_ : 1;
    if (cell.block == user) return cell;
    cell = Cell{};
    cell.block = user;
    // A buffer that came from `empty` is full of set bits, which no computation of a float gives.
    const uintptr_t item = address - (address - region.begin) % region.item_bytes;
    const auto* bytes = reinterpret_cast<const unsigned char*>(item);
    cell.set = !shared && !(region.may_be_unset && std::all_of(bytes, bytes + region.item_bytes, [](unsigned char b) { return b == 0xff; }));
    return cell;
}

template <class Visit>
void Checker::each_cell(uintptr_t address, size_t bytes, Kind kind, uint32_t code, Visit visit) {
    Region& r = region(address, bytes, kind, code);
    if (r.kind == Region::Kind::parameter) return;
    if ((address - r.begin) % r.cell_bytes || bytes % r.cell_bytes) split(r);
    for (size_t i = 0; i < bytes; i += r.cell_bytes) visit(r, address + i);
}

// -- accesses -------------------------------------------------------------------------------------

void Checker::access(uintptr_t address, size_t bytes, Kind kind, uintptr_t code) {
    if (is_own(address)) return;
    const Access now = order_.now(*thread, uint32_t(code - base_));
    each_cell(address, bytes, kind, now.code, [&](Region& r, uintptr_t at) { check(r, at, kind, now); });
}

void Checker::check(Region& region, uintptr_t address, Kind kind, const Access& now) {
    Cell& c = cell(region, address);
    if (kind != Kind::read && !region.writeable)
        fail((name(now) + " writes " + place(region, address) + " " + in_line(now.code) + ", an array that is read-only").c_str());
    if (c.copy.block)
        fail((name(now) + " " + verb(kind, false) + " " + place(region, address) + " " + in_line(now.code) +
              ", where an asynchronous copy, issued by " + name(c.copy) + " " + in_line(c.copy.code) + ", has not been waited for").c_str());
    if (c.write.block && !order_.before(c.write, *thread)) race(region, address, kind, now, Kind::write, c.write);
    if (kind != Kind::read)
        if (const Access* read = c.reads.unordered(*thread, order_)) race(region, address, kind, now, Kind::read, *read);
    if (kind != Kind::atomic && !c.atomics.empty())
        if (const Access* atomic = c.atomics.front().unordered(*thread, order_)) race(region, address, kind, now, Kind::atomic, *atomic);
    if (kind != Kind::write && !c.set) {
        std::string& first = is_shared(region) ? unset_shared_ : unset_;
        if (first.empty()) first = name(now) + " reads " + place(region, address) + " " + in_line(now.code) + ", which nobody has written";
    }
    switch (kind) {
        case Kind::read:
            c.reads.add(now, *thread, order_);
            break;
        case Kind::write:
            c.write = now;
            c.set = true;
            c.reads.clear();
            c.atomics.clear();
            break;
        case Kind::atomic:
            if (c.atomics.empty()) c.atomics.emplace_back();
            c.atomics.front().add(now, *thread, order_);
            break;
    }
}

void Checker::issue_copy(uintptr_t target, uintptr_t source, size_t bytes, bool in_bounds, uintptr_t code) {
    if (in_bounds) access(source, bytes, Kind::read, code);
    access(target, bytes, Kind::write, code);
    const Access now = order_.now(*thread, uint32_t(code - base_));
    each_cell(target, bytes, Kind::write, now.code, [&](Region& r, uintptr_t at) { cell(r, at).copy = now; });
}

void Checker::land_copy(uintptr_t target, size_t bytes, uintptr_t code) {
    const Access now = order_.now(*thread, uint32_t(code - base_));
    each_cell(target, bytes, Kind::write, now.code, [&](Region& r, uintptr_t at) {
        Cell& c = cell(r, at);
        c.write = now;
        c.write.code = c.copy.code;  // the line to name is where the copy was issued
        c.copy = Access{};
    });
}

// -- messages -------------------------------------------------------------------------------------

std::string Checker::place(const Region& region, uintptr_t address) const {
    char text[96];
    const unsigned long offset = address - region.begin;
    switch (region.kind) {
        case Region::Kind::argument:
            std::snprintf(text, sizeof text, "element %lu of {argument:%d}", offset / region.item_bytes, region.argument);
            break;
        case Region::Kind::shared:
            std::snprintf(text, sizeof text, "{shared:%lx}", (unsigned long)(address - shared_));
            break;
        case Region::Kind::dynamic_shared:
            std::snprintf(text, sizeof text, "byte %lu of dynamic shared memory", offset);
            break;
        default:
            std::snprintf(text, sizeof text, "a variable of the file");
            break;
    }
    return text;
}

void Checker::outside(uintptr_t address, size_t bytes, Kind kind, uint32_t code) const {
    const Region* nearest = nullptr;
    uintptr_t distance = ~uintptr_t(0);
    for (const Region& r : regions_) {
        const uintptr_t away = address >= r.end ? address - r.end : address < r.begin ? r.begin - address : 0;
        if (r.begin != r.end && away < distance) {
            distance = away;
            nearest = &r;
        }
    }
    std::string message = name(order_.now(*thread, code)) + " " + verb(kind, false) + " " + std::to_string(bytes) + " bytes " + in_line(code);
    if (address == 0) message += ", through a null pointer";
    else if (nearest && distance < (uintptr_t(1) << 30)) {
        const bool after = address + bytes > nearest->end;
        const uintptr_t by = after ? address + bytes - nearest->end : nearest->begin - address;
        std::string what = "shared memory";
        if (nearest->kind == Region::Kind::shared) {
            char text[32];
            std::snprintf(text, sizeof text, "{variable:%lx}", (unsigned long)(nearest->begin - shared_));
            what = text;
        }
        if (nearest->kind == Region::Kind::argument) what = "{argument:" + std::to_string(nearest->argument) + "}";
        if (nearest->kind == Region::Kind::variables) what = "the file's variables";
        message += ", " + std::to_string(by) + " bytes " + (after ? "past the end of " : "before the start of ") + what;
    } else message += ", outside every buffer of the launch";
    fail(message.c_str());
}

void Checker::race(const Region& region, uintptr_t address, Kind kind, const Access& now, Kind earlier_kind, const Access& earlier) {
    if (!race_.empty()) return;  // the first one is enough
    const bool same_block = now.block == earlier.block;
    race_ = "a race: " + name(now) + " " + verb(kind, false) + " " + place(region, address) + " " + in_line(now.code) + ", which " +
            name(earlier) + " " + verb(earlier_kind, true) + " " + in_line(earlier.code) +
            (same_block ? ", with no barrier between" : ", and nothing orders two blocks");
}

}  // namespace emulation
