// SPDX-License-Identifier: MIT
#include "guest/restore/stream_guard.h"

#include <fmt/format.h>

#include <algorithm>

namespace vmstream {
namespace {

// No stream that the parser accepts waits longer for its confirmation than this.
constexpr ParseLimits kLimits;
constexpr uint64_t kMaxHeldBytes =
    kLimits.device_tail_bytes + kLimits.vmdesc_bytes + kLimits.package_bytes + (1u << 20);

// Of an open section of guest memory.
constexpr uint64_t kMaxHeldRamBytes = 64u << 20;

}  // namespace

Status StreamGuard::feed(std::span<const std::byte> bytes) {
  if (auto parsed = tap_.on_bytes(bytes); !parsed) return parsed;
  uint64_t count = releasable_offset() - released_;
  size_t from_held = static_cast<size_t>(std::min<uint64_t>(count, held_.size()));
  size_t from_bytes = static_cast<size_t>(count - from_held);
  if (auto released = release(from_held); !released) return released;
  if (from_bytes > 0) {
    if (auto written = next_.write(bytes.first(from_bytes)); !written) return written;
    released_ += from_bytes;
  }
  hold(bytes.subspan(from_bytes));
  return ok();
}

uint64_t StreamGuard::releasable_offset() const {
  uint64_t confirmed = tap_.parser().confirmed_offset();
  if (hold_back_ == HoldBack::End) return confirmed;
  const LastRamSection& ram = tap_.last_ram_section();
  if (ram.open && confirmed - released_ > kMaxHeldRamBytes) return confirmed;
  return std::max(released_, std::min(confirmed, ram.offset));
}

// A piece of the source's may come on top of what is held of the memory.
uint64_t StreamGuard::most_held_bytes() const {
  return kMaxHeldBytes + (hold_back_ == HoldBack::End ? 0 : 2 * kMaxHeldRamBytes);
}

Status StreamGuard::finish() {
  if (auto whole = tap_.finish(); !whole) return whole;
  uint64_t rest = tap_.parser().stream_length() - released_;
  if (rest > held_.size()) {
    return Error{.code = Errc::Unsupported,
                 .message = fmt::format("{} bytes await their confirmation, at most {} are kept",
                                        rest, most_held_bytes()),
                 .offset = released_};
  }
  if (before_end_) before_end_();
  return release(static_cast<size_t>(rest));
}

uint64_t StreamGuard::trailing_bytes() const {
  return tap_.parser().offset() - tap_.parser().stream_length();
}

Status StreamGuard::release(size_t count) {
  if (count == 0) return ok();
  if (auto written = next_.write(std::span(held_).first(count)); !written) return written;
  held_.erase(held_.begin(), held_.begin() + static_cast<ptrdiff_t>(count));
  released_ += count;
  return ok();
}

// What comes once the limit is reached can only be bytes behind the stream, such as the padding of
// a block device.
void StreamGuard::hold(std::span<const std::byte> bytes) {
  uint64_t most = most_held_bytes();
  size_t room = static_cast<size_t>(most - std::min(most, uint64_t{held_.size()}));
  auto kept = bytes.first(std::min(bytes.size(), room));
  held_.insert(held_.end(), kept.begin(), kept.end());
}

Status guard_stream(ByteSource& source, StreamGuard& guard) {
  for (;;) {
    auto bytes = source.next();
    if (!bytes) return bytes.error();
    if (bytes->empty()) return guard.finish();
    if (auto fed = guard.feed(*bytes); !fed) return fed;
  }
}

}  // namespace vmstream
