// SPDX-License-Identifier: MIT
#include <vmstream/seekable_state.h>

#include <algorithm>

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

std::vector<std::byte> read_head(RandomSource& file) {
  std::vector<std::byte> head(
      static_cast<size_t>(std::min<uint64_t>(kRecogniseBytes, file.length())));
  if (!file.read_at(0, head)) head.clear();
  return head;
}

}  // namespace

std::optional<SeekableState> open_seekable_state(const std::string& path) {
  auto file = open_random_file(path);
  if (!file) return std::nullopt;
  auto head = read_head(**file);
  if (is_plain_stream(head)) return SeekableState{{{"qevm"}}, std::move(*file)};
  if (head.size() < kRecogniseBytes || recognise_coding(head) || is_known_foreign(head)) {
    return std::nullopt;
  }
  auto whole = make_stretch_source(**file, head.size(), (*file)->length() - head.size());
  auto found = find_stream_within(*whole, std::move(head));
  if (!found || !*found) return std::nullopt;
  uint64_t start = (*found)->offset;
  return SeekableState{{{"offset", start}, {"qevm"}},
                       std::make_unique<RestOfFile>(std::move(*file), start)};
}

}  // namespace vmstream
