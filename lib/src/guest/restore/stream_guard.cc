// SPDX-License-Identifier: MIT
#include "guest/restore/stream_guard.h"

#include <fmt/format.h>

#include <algorithm>

#include "format/wire.h"

namespace vmstream {
namespace {

// No stream that the parser accepts waits longer for its confirmation than this.
constexpr ParseLimits kLimits;
constexpr uint64_t kMaxUnconfirmedBytes =
    kLimits.device_tail_bytes + kLimits.vmdesc_bytes + kLimits.package_bytes + (1u << 20);

}  // namespace

Status StreamGuard::feed(std::span<const std::byte> bytes) {
  if (auto parsed = tap_.on_bytes(bytes); !parsed) {
    if (auto judged = judge(parsed.error()); !judged) return judged;
  }
  uint64_t count = decided_offset() - walked_;
  auto from_waiting = static_cast<size_t>(std::min<uint64_t>(count, unconfirmed_.size()));
  auto from_bytes = static_cast<size_t>(count - from_waiting);
  if (auto walked = walk(std::span(unconfirmed_).first(from_waiting)); !walked) return walked;
  unconfirmed_.erase(unconfirmed_.begin(),
                     unconfirmed_.begin() + static_cast<ptrdiff_t>(from_waiting));
  if (auto walked = walk(bytes.first(from_bytes)); !walked) return walked;
  await(bytes.subspan(from_bytes));
  return ok();
}

uint64_t StreamGuard::decided_offset() const {
  uint64_t confirmed = tap_.parser().confirmed_offset();
  return std::min(confirmed, router_.undecided_from().value_or(confirmed));
}

// Where the parser stops. Behind the sections stands nothing that QEMU loads.
Status StreamGuard::judge(const Error& fault) {
  bool sections_are_read = tap_.parser().is_in_description() && is_stream_fault(fault);
  return sections_are_read ? leave_out_description(fault) : Status(fault);
}

Status StreamGuard::leave_out_description(const Error& fault) {
  if (auto whole = router_.check_whole(); !whole) return whole;
  if (router_.guessed_ends()) return fault;
  if (!accept_damaged_description_) return with_description_hint(fault);
  description_fault_ = fault;
  return ok();
}

Status StreamGuard::check_whole() {
  if (auto parsed = tap_.finish(); !parsed) {
    if (auto judged = judge(parsed.error()); !judged) return judged;
  }
  const auto& fault = router_.description_fault();
  return fault && !description_fault_ ? leave_out_description(*fault) : router_.check_whole();
}

uint64_t StreamGuard::stream_end() const {
  return description_fault_ ? router_.end_of_sections() : tap_.parser().stream_length();
}

Status StreamGuard::finish() {
  if (auto whole = check_whole(); !whole) return whole;
  uint64_t rest = stream_end() - walked_;
  if (rest > unconfirmed_.size()) {
    return Error{.code = Errc::Unsupported,
                 .message = fmt::format("{} bytes await their confirmation, at most {} are kept",
                                        rest, kMaxUnconfirmedBytes),
                 .offset = walked_};
  }
  auto last = std::span<const std::byte>(unconfirmed_).first(static_cast<size_t>(rest));
  if (auto walked = walk(last); !walked) return walked;
  decide();
  if (auto written = hand_on(held_); !written) return written;
  return hand_on(tail_);
}

uint64_t StreamGuard::trailing_bytes() const {
  return description_fault_ ? 0 : tap_.parser().offset() - tap_.parser().stream_length();
}

// `bytes` begin at walked_.
Status StreamGuard::walk(std::span<const std::byte> bytes) {
  auto& turns = router_.turns();
  while (!bytes.empty()) {
    while (!turns.empty() && turns.front().offset <= walked_) {
      route_ = turns.front().route;
      turns.pop_front();
    }
    uint64_t length = turns.empty() ? bytes.size() : turns.front().offset - walked_;
    auto stretch = bytes.first(static_cast<size_t>(std::min<uint64_t>(length, bytes.size())));
    if (auto taken = take(route_, stretch); !taken) return taken;
    walked_ += stretch.size();
    bytes = bytes.subspan(stretch.size());
  }
  return ok();
}

Status StreamGuard::take(Route route, std::span<const std::byte> bytes) {
  switch (route) {
    case Route::Decide:
      decide();
      return hand_on(bytes);
    case Route::Pass:
      return hand_on(bytes);
    case Route::Hold:
      return hold(bytes);
    case Route::Tail:  // is confirmed as a whole, by finish()
      tail_ = bytes;
      return ok();
    case Route::Drop:
      break;
  }
  return ok();
}

// The point of no return. Nothing else may lead to it.
void StreamGuard::decide() {
  decided_ = true;
  if (on_decision_) std::exchange(on_decision_, {})();
}

Status StreamGuard::hand_on(std::span<const std::byte> bytes) {
  return bytes.empty() ? ok() : next_.write(bytes);
}

Status StreamGuard::hold(std::span<const std::byte> bytes) {
  if (bytes.size() > kMaxHeldBytes - held_.size()) {
    return Error{.code = Errc::Unsupported,
                 .message = fmt::format("more than {} MiB would have to wait for the end of the "
                                        "stream, the limit",
                                        kMaxHeldBytes >> 20),
                 .offset = walked_,
                 .hint = "--verify-first reads the file twice and needs no room"};
  }
  held_.insert(held_.end(), bytes.begin(), bytes.end());
  return ok();
}

// What comes once the limit is reached can only be bytes behind the stream, such as the padding of
// a block device.
void StreamGuard::await(std::span<const std::byte> bytes) {
  size_t room = static_cast<size_t>(kMaxUnconfirmedBytes) - unconfirmed_.size();
  auto kept = bytes.first(std::min(bytes.size(), room));
  unconfirmed_.insert(unconfirmed_.end(), kept.begin(), kept.end());
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
