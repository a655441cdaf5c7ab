// SPDX-License-Identifier: MIT
#include "support/ram_replay.h"

#include <zlib.h>

#include <algorithm>

namespace testing {

using namespace vmstream;

namespace {

uint32_t crc_of(std::span<const std::byte> bytes) {
  return static_cast<uint32_t>(
      ::crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

// A length of one or two bytes, low bits first.
size_t take_uleb128(std::span<const std::byte>& delta) {
  auto low = std::to_integer<size_t>(delta[0]);
  delta = delta.subspan(1);
  if (low < 0x80) return low;
  auto high = std::to_integer<size_t>(delta[0]);
  delta = delta.subspan(1);
  return (low & 0x7f) | (high << 7);
}

// Runs of bytes that stay and bytes that are replaced, in turn.
bool apply_delta(std::span<const std::byte> delta, std::vector<std::byte>& page) {
  size_t at = 0;
  while (!delta.empty()) {
    at += take_uleb128(delta);
    size_t count = take_uleb128(delta);
    if (count > delta.size() || at + count > page.size()) return false;
    std::copy_n(delta.begin(), count, page.begin() + static_cast<ptrdiff_t>(at));
    delta = delta.subspan(count);
    at += count;
  }
  return true;
}

bool inflate_page(std::span<const std::byte> packed, std::vector<std::byte>& page) {
  auto length = static_cast<uLongf>(page.size());
  return ::uncompress(reinterpret_cast<Bytef*>(page.data()), &length,
                      reinterpret_cast<const Bytef*>(packed.data()), packed.size()) == Z_OK &&
         length == page.size();
}

}  // namespace

uint32_t RamReplay::crc(const std::string& block, uint64_t offset, size_t page_bytes) const {
  auto found = pages_.find({block, offset});
  return crc_of(found == pages_.end() ? std::vector<std::byte>(page_bytes) : found->second);
}

Status RamReplay::on_configuration(const Configuration& configuration) {
  if (!configuration.capabilities) return ok();
  ignore_shared = std::ranges::count(*configuration.capabilities, "x-ignore-shared") > 0;
  return ok();
}

Status RamReplay::on_page(const Page& page) {
  flat = page.block == nullptr;
  std::string block = flat ? "" : page.block->name;
  blocks_.insert(block);
  Key key{block, page.block_offset};
  auto& content = pages_[key];
  bool good = true;
  switch (page.kind) {
    case PageKind::Zero:
      pages_.erase(key);
      break;
    case PageKind::Fill:
      content.assign(page_bytes_, std::byte{page.fill});
      break;
    case PageKind::Data:
      page_bytes_ = page.payload.size();
      content.assign(page.payload.begin(), page.payload.end());
      break;
    case PageKind::Xbzrle:
      content.resize(page_bytes_);
      good = apply_delta(page.payload, content);
      break;
    case PageKind::Compressed:
      content.resize(page_bytes_);
      good = inflate_page(page.payload, content);
      break;
  }
  if (good) return ok();
  return Error{Errc::Malformed, "a page could not be decoded", page.offset};
}

}  // namespace testing
