// SPDX-License-Identifier: MIT
// What a guard hands on of a stream, and the streams that tests of it are made of.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>

#include "guest/restore/stream_guard.h"
#include "support/event_log.h"
#include "support/stream_builder.h"

namespace testing {

using namespace vmstream;

using Bytes = std::vector<std::byte>;

inline constexpr HoldBack kModes[] = {HoldBack::End, HoldBack::AllButMemory, HoldBack::AllUnsigned};
inline constexpr HoldBack kStrictModes[] = {HoldBack::AllButMemory, HoldBack::AllUnsigned};

inline constexpr uint16_t kOpenReturnPath = 1, kPing = 2, kAdvise = 3, kListen = 4, kRun = 5,
                          kDiscard = 6, kPackaged = 7, kColo = 8, kResume = 9, kRecvBitmap = 10,
                          kSwitchover = 11;

// What came out of a guard.
struct Handed {
  Bytes early;  // before the source had ended
  Bytes all;
  std::optional<size_t> decided;  // how much had been handed on at the point of no return
  int decisions = 0;
  Status status = ok();
  bool rebuilt = false;

  bool has(std::string_view text, bool in_early = false) const {
    return testing::parse_all(in_early ? early : all).log.has(text);
  }
};

inline Handed guard(std::span<const std::byte> bytes, RouteOptions options, size_t piece = 1000) {
  Handed handed;
  auto sink = make_memory_sink(handed.all);
  StreamGuard guard(*sink, options, {}, [&] {
    handed.decided = handed.all.size();
    ++handed.decisions;
  });
  for (auto rest = bytes; !rest.empty() && handed.status;) {
    auto front = rest.first(std::min(piece, rest.size()));
    handed.status = guard.feed(front);
    rest = rest.subspan(front.size());
  }
  handed.early = handed.all;
  if (handed.status) handed.status = guard.finish();
  handed.rebuilt = guard.rebuilt();
  return handed;
}

inline std::string be(uint64_t value, int width) {
  std::string text;
  for (int i = width; i-- > 0;) text += static_cast<char>(value >> (8 * i));
  return text;
}

// The plugged memory of a region of 64 blocks.
inline std::string early_body(size_t words = 1) {
  return be(0x100000000, 8) + be(64 * 0x200000, 8) + be(0x200000, 8) + be(0, 4) + be(0, 8) +
         std::string(8 * words, '\xff');
}

inline StreamBuilder opening(std::string_view machine = "pc-i440fx-7.2") {
  StreamBuilder stream;
  stream.header().configuration(machine);
  return stream;
}

inline StreamBuilder& ram_start(StreamBuilder& stream) {
  return stream.start(2, "ram", 4).ram_blocks({{"pc.ram", 0x8000}}).eos().footer();
}

inline StreamBuilder& ram_end(StreamBuilder& stream, uint8_t byte = 0x5a) {
  return stream.end(2).page("pc.ram", 0, byte).fill_page("", 0x1000).eos().footer();
}

inline StreamBuilder& ending(StreamBuilder& stream) {
  return stream.device(9, "timer", "0123456789").eof();
}

// Whole but for what `add` puts between the list of the memory and its pages.
inline Bytes stream_with(const std::function<void(StreamBuilder&)>& add) {
  auto stream = opening();
  ram_start(stream);
  add(stream);
  ram_end(stream);
  return ending(stream).bytes();
}

}  // namespace testing
