// SPDX-License-Identifier: MIT
#include <vmstream/seekable_state.h>

#include <algorithm>

#include <vmstream/random_decoder.h>
#include <vmstream/trailer.h>
#include "state/recognise.h"

namespace vmstream {
namespace {

std::vector<std::byte> read_head(RandomSource& source) {
  std::vector<std::byte> head(
      static_cast<size_t>(std::min<uint64_t>(source.length(), kRecogniseBytes)));
  if (!source.read_at(0, head)) head.clear();
  return head;
}

std::optional<BlockTable> blocks_of(Coding coding, RandomSource& file) {
  auto trailer = read_trailer(coding, file);
  if (trailer && *trailer && (*trailer)->blocks) return std::move((*trailer)->blocks);
  auto found = find_blocks(coding, file);
  return found ? std::move(*found) : std::nullopt;
}

}  // namespace

std::optional<SeekableState> open_seekable_state(const std::string& path) {
  auto file = open_random_file(path);
  if (!file) return std::nullopt;
  SeekableState state{{}, std::move(*file), nullptr};
  auto head = read_head(*state.file);
  if (auto coding = recognise_coding(head)) {
    auto blocks = blocks_of(*coding, *state.file);
    if (!blocks || blocks->empty()) return std::nullopt;
    auto unpacked = make_random_decoder(*coding, *state.file, std::move(*blocks));
    if (!unpacked) return std::nullopt;
    state.unpacked = std::move(*unpacked);
    state.containers.push_back({std::string(traits_of(*coding).name)});
    head = read_head(*state.unpacked);
  }
  if (!is_plain_stream(head)) return std::nullopt;
  state.containers.push_back({"qevm"});
  return state;
}

}  // namespace vmstream
