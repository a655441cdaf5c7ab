// SPDX-License-Identifier: MIT
#include <vmstream/seekable_state.h>

#include <algorithm>

#include <vmstream/random_decoder.h>
#include <vmstream/trailer.h>
#include "state/recognise.h"

namespace vmstream {
namespace {

// Everything of a file from an offset on.
class RestOfFile final : public RandomSource {
 public:
  RestOfFile(std::unique_ptr<RandomSource> file, uint64_t start)
      : file_(std::move(file)), start_(start) {}
  uint64_t length() const override { return file_->length() - start_; }
  Status read_at(uint64_t offset, std::span<std::byte> into) override {
    if (offset > length()) return Error{Errc::Truncated, "behind the end of the stream", offset};
    return file_->read_at(start_ + offset, into);
  }

 private:
  std::unique_ptr<RandomSource> file_;
  uint64_t start_;
};

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

// What stands in front of the stream is a container; `head` becomes the stream's.
void leave_out_foreign(SeekableState& state, std::vector<std::byte>& head) {
  if (head.size() < kRecogniseBytes || is_known_foreign(head)) return;
  auto rest = make_stretch_source(*state.file, head.size(), state.file->length() - head.size());
  auto found = find_stream_within(*rest, head);
  if (!found || !*found) return;
  state.containers.push_back({"offset", (*found)->offset});
  state.file = std::make_unique<RestOfFile>(std::move(state.file), (*found)->offset);
  head = std::move((*found)->front);
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
  if (!is_plain_stream(head) && !state.unpacked) leave_out_foreign(state, head);
  if (!is_plain_stream(head)) return std::nullopt;
  state.containers.push_back({"qevm"});
  return state;
}

}  // namespace vmstream
