// SPDX-License-Identifier: MIT
#include <vmstream/seekable_state.h>

#include <array>

#include "state/recognise.h"

namespace vmstream {

std::optional<SeekableState> open_seekable_state(const std::string& path) {
  auto file = open_random_file(path);
  if (!file) return std::nullopt;
  std::array<std::byte, sizeof(uint32_t)> magic{};
  if (!(*file)->read_at(0, magic) || !is_plain_stream(magic)) return std::nullopt;
  return SeekableState{{{"qevm"}}, std::move(*file)};
}

}  // namespace vmstream
