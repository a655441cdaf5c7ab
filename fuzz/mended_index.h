// SPDX-License-Identifier: MIT
// Any bytes as an index whose checksums are right, so that a fuzzer gets past them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <vmstream/state_index.h>
#include "base/hash.h"
#include "state/index_tables.h"
#include "state/page_account.h"
#include "state/table_coding.h"

namespace fuzz {

inline void write_le64(std::span<std::byte> into, uint64_t value) {
  for (std::byte& byte : into.first(8)) {
    byte = static_cast<std::byte>(value);
    value >>= 8;
  }
}

/// A part that the directory names; empty where it names none, or one that is not there.
inline std::span<std::byte> find_part(std::span<std::byte> parts,
                                      std::span<const std::byte> directory, std::string_view name) {
  vmstream::TableReader in("directory", directory);
  for (uint64_t left = in.number(); left > 0 && in.ok(); --left) {
    bool is_it = in.text() == name;
    uint64_t offset = in.number();
    uint64_t length = in.number();
    in.bytes(8);
    if (!in.ok() || offset > parts.size() || length > parts.size() - offset) return {};
    if (is_it) return parts.subspan(offset, length);
  }
  return {};
}

/// Where the facts have a digest of the page map, makes it the right one.
inline void mend_digest(std::span<std::byte> parts, std::span<const std::byte> directory) {
  constexpr std::string_view kKey = "\"page_map_sha256\":\"";
  auto facts = find_part(parts, directory, vmstream::kFactsPart);
  std::string_view text(reinterpret_cast<const char*>(facts.data()), facts.size());
  size_t key = text.find(kKey);
  if (key == std::string_view::npos) return;
  std::string digest =
      vmstream::page_map_sha256(find_part(parts, directory, vmstream::kPagesPart),
                                find_part(parts, directory, vmstream::kDeltasPart));
  auto value = facts.subspan(key + kKey.size());
  if (value.size() < digest.size()) return;
  std::ranges::copy(std::as_bytes(std::span(digest)), value.begin());
}

/// Goes over the directory's entries and corrects the checksum of each part that is there. `mark`,
/// where given, takes the place of part "file".
inline void mend_parts(std::span<std::byte> parts, std::span<std::byte> directory,
                       std::span<const std::byte> mark) {
  vmstream::TableReader in("directory", directory);
  for (uint64_t left = in.number(); left > 0 && in.ok(); --left) {
    bool is_mark = in.text() == vmstream::kMarkPart;
    uint64_t offset = in.number();
    uint64_t length = in.number();
    auto checksum = in.bytes(8);
    if (!in.ok() || offset > parts.size() || length > parts.size() - offset) return;
    auto part = parts.subspan(offset, length);
    if (is_mark && part.size() == mark.size()) std::ranges::copy(mark, part.begin());
    auto at = static_cast<size_t>(checksum.data() - directory.data());
    write_le64(directory.subspan(at), vmstream::xxh64(part));
  }
}

/// Corrects the checksums of `index` from the parts to the tail, as far as its lengths allow, and
/// the place of the directory, which lies in front of the tail.
inline void mend_index(std::span<std::byte> index, std::span<const std::byte> mark = {}) {
  constexpr size_t kTailBytes = vmstream::IndexReader::kTailBytes;
  if (index.size() < kTailBytes) return;
  auto tail = index.last(kTailBytes);
  auto front = index.first(index.size() - kTailBytes);
  vmstream::TableReader in("tail", tail);
  in.le64();
  uint64_t length = in.le64();
  if (length > front.size()) return;
  auto directory = front.last(length);
  auto parts = front.first(front.size() - length);
  mend_digest(parts, directory);
  mend_parts(parts, directory, mark);
  write_le64(tail, front.size() - length);
  write_le64(tail.subspan(16), vmstream::xxh64(directory));
  write_le64(tail.subspan(32), vmstream::xxh64(tail.first(32)));
}

}  // namespace fuzz
