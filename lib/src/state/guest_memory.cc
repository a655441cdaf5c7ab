// SPDX-License-Identifier: MIT
#include <vmstream/guest_memory.h>

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include <vmstream/text.h>
#include "state/indexed_file.h"

namespace vmstream {
namespace {

constexpr const char* kWayOut = "unpack it first: vmrestore -o PLAIN FILE";
constexpr const char* kChanged = "the file has changed since it was opened";

Error no_block(std::string_view name, const std::vector<IndexedBlock>& blocks) {
  std::string names;
  for (const IndexedBlock& entry : blocks) {
    names += (names.empty() ? "" : ", ") + escape(entry.block.name);
  }
  return Error{.code = Errc::Usage,
               .message = fmt::format("there is no RAM block '{}'", escape(name)),
               .hint = "the stream has " + names};
}

}  // namespace

struct GuestMemory::State {
  SeekableState file;
  RamImage image;
  std::vector<std::byte> edge;  // one page

  Result<uint64_t> read_edge(size_t block, uint64_t offset, std::span<std::byte>& into);
};

// From the middle of a page, up to its end or that of `into`, which is shortened by it.
Result<uint64_t> GuestMemory::State::read_edge(size_t block, uint64_t offset,
                                               std::span<std::byte>& into) {
  edge.resize(image.page_size());
  auto absent = image.read(block, offset / edge.size(), edge);
  if (!absent) return absent;
  auto from = static_cast<size_t>(offset % edge.size());
  size_t count = std::min(edge.size() - from, into.size());
  std::copy_n(edge.begin() + static_cast<ptrdiff_t>(from), count, into.begin());
  into = into.subspan(count);
  return absent;
}

GuestMemory::GuestMemory(std::unique_ptr<State> state) : state_(std::move(state)) {}
GuestMemory::GuestMemory(GuestMemory&&) noexcept = default;
GuestMemory::~GuestMemory() = default;

Result<GuestMemory> GuestMemory::open(const std::string& path, const GuestMemoryOptions& options) {
  auto file = OpenedFile::open(path);
  if (!file) return file.error();
  auto indexed = index_file(*file, {.observer = options.observer,
                                    .sidecar = sidecar_path(path),
                                    .limits = options.limits,
                                    .way_out = kWayOut});
  if (!indexed) return indexed.error();
  if (indexed->index.facts.blocks.empty()) {
    return Error{Errc::Usage, "the stream has no RAM blocks with names"};
  }
  if (!tells_pages(indexed->index)) {
    return Error{Errc::Unsupported, "the pages of this stream are too many for an index"};
  }
  auto state = open_seekable_state(file->reader(options.limits),
                                   {.decode = {.cache_bytes = options.cache_bytes},
                                    .sidecar = sidecar_path(path),
                                    .limits = options.limits,
                                    .index = indexed->made});
  if (!state || !state->plain()) return Error{Errc::Environment, kChanged};
  auto image = RamImage::make(*state->plain(), std::move(indexed->index));
  if (!image) return image.error();
  return GuestMemory(std::make_unique<State>(State{std::move(*state), std::move(*image), {}}));
}

const std::vector<IndexedBlock>& GuestMemory::blocks() const {
  return state_->image.blocks();
}
uint32_t GuestMemory::page_size() const {
  return state_->image.page_size();
}
RamImage& GuestMemory::image() {
  return state_->image;
}

// Whole pages go straight to where they are wanted.
Result<uint64_t> GuestMemory::read(std::string_view name, uint64_t offset,
                                   std::span<std::byte> into) {
  auto block = state_->image.find_block(name);
  if (!block) return no_block(name, blocks());
  uint64_t length = blocks()[*block].block.used_length;
  if (offset > length || into.size() > length - offset) {
    return Error{Errc::Usage, fmt::format("{} bytes from {:#x} on reach past the end, {:#x}",
                                          into.size(), offset, length)};
  }
  uint64_t absent = 0;
  while (!into.empty()) {
    size_t page_bytes = page_size();
    size_t whole = offset % page_bytes == 0 ? into.size() / page_bytes * page_bytes : 0;
    size_t left = into.size();
    auto missing = whole == 0 ? state_->read_edge(*block, offset, into)
                              : state_->image.read(*block, offset / page_bytes, into.first(whole));
    if (!missing) return missing;
    absent += *missing;
    if (whole > 0) into = into.subspan(whole);
    offset += left - into.size();
  }
  return absent;
}

}  // namespace vmstream
