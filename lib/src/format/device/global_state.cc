// SPDX-License-Identifier: MIT
#include "format/device/global_state.h"

#include "base/byte_reader.h"

namespace vmstream {

bool is_global_state(const SectionHeader& section) {
  return section.type == SectionType::Full && section.idstr == kGlobalState;
}

// Size of the text, which QEMU does not look at; the text and its NUL in 32 bytes, a flag, 67 bytes
// more. Before 9.0 the text had all 100 bytes, and the place of the flag, always set today, held
// its padding.
std::optional<GlobalState> read_global_state(std::span<const std::byte> body) {
  constexpr size_t kTextLength = 32;
  constexpr size_t kUnusedLength = 67;
  ByteReader in(body);
  in.be<uint32_t>("size");
  auto text = in.bytes(kTextLength, "run state");
  bool suspended_known = in.be<uint8_t>("suspended flag") != 0;
  in.bytes(kUnusedLength, "padding");
  if (!in.ok()) return std::nullopt;
  std::string state;
  for (std::byte b : text) state += static_cast<char>(b);
  size_t length = state.find('\0');
  if (length == std::string::npos) return std::nullopt;
  return GlobalState{state.substr(0, length), suspended_known};
}

}  // namespace vmstream
