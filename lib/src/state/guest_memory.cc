// SPDX-License-Identifier: MIT
#include <vmstream/guest_memory.h>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include <vmstream/indexing.h>
#include <vmstream/text.h>

namespace vmstream {
namespace {

constexpr const char* kWayOut = "unpack it first: vmstream-inspect extract stream FILE -o X";

Error no_block(std::string_view name, const std::vector<IndexedBlock>& blocks) {
  std::string names;
  for (const IndexedBlock& entry : blocks) {
    names += (names.empty() ? "" : ", ") + escape(entry.block.name);
  }
  return Error{.code = Errc::Usage,
               .message = fmt::format("there is no RAM block '{}'", escape(name)),
               .hint = "the stream has " + names};
}

Error with_way_out(Error error) {
  if (error.code == Errc::Unsupported && error.hint.empty()) error.hint = kWayOut;
  return error;
}

}  // namespace

struct GuestMemory::State {
  StateFile file;
  RamImage image;
  std::vector<std::byte> page;

  Result<uint64_t> read_within_page(size_t block, uint64_t offset, std::span<std::byte> into);
};

// What lies in one page, from anywhere in it.
Result<uint64_t> GuestMemory::State::read_within_page(size_t block, uint64_t offset,
                                                      std::span<std::byte> into) {
  page.resize(image.page_size());
  auto absent = image.read(block, offset / page.size(), page);
  if (!absent) return absent;
  std::copy_n(page.begin() + static_cast<ptrdiff_t>(offset % page.size()), into.size(),
              into.begin());
  return absent;
}

GuestMemory::GuestMemory(std::unique_ptr<State> state) : state_(std::move(state)) {}
GuestMemory::GuestMemory(GuestMemory&&) noexcept = default;
GuestMemory::~GuestMemory() = default;

Result<GuestMemory> GuestMemory::open(const std::string& path, const GuestMemoryOptions& options) {
  if (std::error_code unknown; std::filesystem::is_directory(path, unknown)) {
    return Error{.code = Errc::Unsupported,
                 .message =
                     "a folder holds the parts of one guest, which are read from front to "
                     "end only",
                 .hint = "make one file of them: vmdump --from FOLDER -o guest.zst"};
  }
  StateName name = StateName::parse(path);
  auto opened = OpenedFile::open(name.file);
  if (!opened) return opened.error();
  OpenOptions how{.decode = {.limits = options.limits}, .cache_bytes = options.cache_bytes};
  how.snapshot = std::move(name.snapshot);
  how.sidecar = sidecar_path(path);
  auto file = StateFile::open({std::move(*opened)}, std::move(how));
  auto index = file.page_index(options.observer);
  if (!index) return with_way_out(index.error());
  if ((*index)->facts.blocks.empty()) {
    return Error{Errc::Usage, "the stream has no RAM blocks with names"};
  }
  if (!(*index)->pages) {
    return Error{Errc::Unsupported, "the pages of this stream are too many for an index"};
  }
  auto image = file.ram();
  if (!image) return image.error();
  return GuestMemory(std::make_unique<State>(State{std::move(file), std::move(*image), {}}));
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
Result<uint64_t> GuestMemory::read(std::string_view block, uint64_t offset,
                                   std::span<std::byte> into) {
  auto found = state_->image.find_block(block);
  if (!found) return no_block(block, blocks());
  uint64_t length = blocks()[*found].block.used_length;
  if (offset > length || into.size() > length - offset) {
    return Error{Errc::Usage, fmt::format("{} bytes from {:#x} on reach past the end, {:#x}",
                                          into.size(), offset, length)};
  }
  uint64_t absent = 0;
  const size_t page_bytes = page_size();
  while (!into.empty()) {
    size_t in_page = offset % page_bytes;
    size_t whole = in_page == 0 ? into.size() / page_bytes * page_bytes : 0;
    auto front = into.first(whole > 0 ? whole : std::min(page_bytes - in_page, into.size()));
    auto missing = whole > 0 ? state_->image.read(*found, offset / page_bytes, front)
                             : state_->read_within_page(*found, offset, front);
    if (!missing) return missing;
    absent += *missing;
    offset += front.size();
    into = into.subspan(front.size());
  }
  return absent;
}

}  // namespace vmstream
