// SPDX-License-Identifier: MIT
#include <vmstream/file_digest.h>

#include <utility>

namespace vmstream {

class FileDigest::Watched final : public ByteSource {
 public:
  explicit Watched(FileDigest& owner) : owner_(owner) {}

  Result<size_t> read(std::span<std::byte> into) override {
    auto count = owner_.file_->read(into);
    if (count && owner_.wanted_) owner_.digest_.update(into.first(*count));
    return count;
  }

  Result<std::span<const std::byte>> next() override {
    auto piece = owner_.file_->next();
    if (piece && owner_.wanted_) owner_.digest_.update(*piece);
    return piece;
  }

 private:
  FileDigest& owner_;
};

FileDigest::FileDigest(std::unique_ptr<ByteSource> file) : file_(std::move(file)) {}

FileDigest::~FileDigest() = default;

std::unique_ptr<ByteSource> FileDigest::source() {
  return std::make_unique<Watched>(*this);
}

void FileDigest::stop() {
  wanted_ = false;
}

Result<std::string> FileDigest::finish() {
  Watched rest(*this);
  for (;;) {
    auto piece = rest.next();
    if (!piece) return piece.error();
    if (piece->empty()) return digest_.finish();
  }
}

}  // namespace vmstream
