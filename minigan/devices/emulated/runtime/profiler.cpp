#include "profiler.h"

#include <algorithm>
#include <set>

namespace emulation {
namespace {

constexpr uintptr_t kSectorBytes = 32, kBankBytes = 4, kBanks = 32;

uint64_t sectors(const std::vector<uintptr_t>& addresses, size_t bytes) {
    std::set<uintptr_t> touched;
    for (uintptr_t a : addresses)
        for (uintptr_t sector = a / kSectorBytes; sector <= (a + bytes - 1) / kSectorBytes; ++sector) touched.insert(sector);
    return touched.size();
}

uint64_t least_sectors(const std::vector<uintptr_t>& addresses, size_t bytes) {
    std::set<uintptr_t> distinct(addresses.begin(), addresses.end());
    return (distinct.size() * bytes + kSectorBytes - 1) / kSectorBytes;
}

// The lanes that the hardware serves together: all 32 at up to 4 bytes each, 16 at 8, 8 at 16.
size_t lanes_at_once(size_t bytes) { return bytes <= 4 ? 32 : 128 / bytes; }

uint64_t wavefronts(const std::array<uintptr_t, 32>& address, uint32_t lanes, size_t bytes, uint64_t& least) {
    uint64_t total = 0;
    const size_t together = lanes_at_once(bytes);
    for (size_t first = 0; first < 32; first += together) {
        std::array<std::set<uintptr_t>, kBanks> words;
        for (size_t lane = first; lane < first + together; ++lane) {
            if (!(lanes >> lane & 1)) continue;
            for (uintptr_t word = address[lane] / kBankBytes; word <= (address[lane] + bytes - 1) / kBankBytes; ++word)
                words[word % kBanks].insert(word);
        }
        size_t most = 0;
        for (const auto& bank : words) most = std::max(most, bank.size());
        total += most;
        least += most > 0;
    }
    return total;
}

}  // namespace

Profiler::Profiler(const Buffer* buffers, int count) {
    for (int i = 0; i < count; ++i) {
        const size_t bytes = size_t(buffers[i].bytes);
        if (buffers[i].argument < 0) parameters_.push_back({uintptr_t(buffers[i].address), uintptr_t(buffers[i].address) + bytes});
        else arguments_.push_back({uintptr_t(buffers[i].address), {buffers[i].argument, bytes, 0, 0}, std::vector<bool>(bytes), std::vector<bool>(bytes)});
    }
}

void Profiler::add_library(const Library& library, uintptr_t dynamic_shared, size_t dynamic_bytes) {
    base_ = library.base;
    shared_ = {{{library.shared, library.shared + library.shared_bytes}, {dynamic_shared, dynamic_shared + dynamic_bytes}}};
}

void Profiler::start_block(int threads) { threads_ = size_t(threads); }

namespace {

template <class Ranges>
bool in_any(const Ranges& ranges, uintptr_t address) {
    return std::any_of(ranges.begin(), ranges.end(), [&](auto range) { return address >= range.first && address < range.second; });
}

}  // namespace

Profiler::Site& Profiler::site(uintptr_t code, SiteKind kind, Space space, size_t bytes) {
    Site& site = sites_[{code, kind}];
    site.counts.code = code - base_;
    site.counts.kind = kind;
    site.counts.space = space;
    site.counts.bytes = int32_t(bytes);
    site.executions.resize(threads_);
    site.requests.resize((threads_ + 31) / 32);
    return site;
}

void Profiler::access(uintptr_t address, size_t bytes, Kind kind, uintptr_t code) {
    if (is_own(address) || in_any(parameters_, address)) return;
    const Space space = in_any(shared_, address) ? Space::shared : Space::global;
    const SiteKind site_kind = kind == Kind::read ? SiteKind::read : kind == Kind::write ? SiteKind::write : SiteKind::atomic;
    Site& s = site(code, site_kind, space, bytes);
    auto& requests = s.requests[size_t(thread->warp)];
    const uint32_t execution = s.executions[size_t(thread->linear)]++;
    if (requests.size() <= execution) requests.resize(execution + 1);
    requests[execution].lanes |= 1u << thread->lane;
    requests[execution].address[size_t(thread->lane)] = address;
    if (space == Space::global) touch(address, bytes, kind);
}

void Profiler::touch(uintptr_t address, size_t bytes, Kind kind) {
    for (Argument& argument : arguments_) {
        if (address < argument.begin || address >= argument.begin + argument.counts.bytes) continue;
        for (size_t i = address - argument.begin; i < address - argument.begin + bytes && i < argument.counts.bytes; ++i) {
            if (kind != Kind::write) argument.read[i] = true;
            if (kind != Kind::read) argument.written[i] = true;
        }
        return;
    }
}

void Profiler::count(uintptr_t code, SiteKind kind) {
    Site& s = site(code, kind, Space::global, 0);
    ++s.executions[size_t(thread->linear)];
}

void Profiler::settle() {
    for (auto& entry : sites_) {
        Site& s = entry.second;
        const size_t bytes = size_t(s.counts.bytes);
        for (size_t warp = 0; warp < s.requests.size(); ++warp) {
            uint64_t longest = 0;
            for (size_t i = warp * 32; i < std::min(threads_, warp * 32 + 32); ++i) {
                longest = std::max<uint64_t>(longest, s.executions[i]);
                s.counts.lanes += s.executions[i];
                s.executions[i] = 0;
            }
            s.counts.requests += longest;
            for (const Request& request : s.requests[warp]) {
                if (s.counts.space == Space::shared) {
                    s.counts.wavefronts += wavefronts(request.address, request.lanes, bytes, s.counts.least_wavefronts);
                    continue;
                }
                std::vector<uintptr_t> addresses;
                for (size_t lane = 0; lane < 32; ++lane)
                    if (request.lanes >> lane & 1) addresses.push_back(request.address[lane]);
                s.counts.sectors += sectors(addresses, bytes);
                s.counts.least_sectors += least_sectors(addresses, bytes);
            }
            s.requests[warp].clear();
        }
    }
}

void Profiler::emit(const ProfileSink& sink) const {
    for (const auto& entry : sites_) sink.site(&entry.second.counts);
    for (Argument argument : arguments_) {
        argument.counts.read = uint64_t(std::count(argument.read.begin(), argument.read.end(), true));
        argument.counts.written = uint64_t(std::count(argument.written.begin(), argument.written.end(), true));
        sink.argument(&argument.counts);
    }
}

}  // namespace emulation
