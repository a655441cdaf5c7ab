// SPDX-License-Identifier: MIT
#include <vmstream/digesting.h>

#include <utility>

#include "pipeline/lane_digest.h"

namespace vmstream {

struct DigestingSink::State {
  ByteSink& next;
  LaneDigest digest;
  std::span<const std::byte> lent = {};
  std::string sha256 = {};
};

DigestingSink::DigestingSink(ByteSink& next, size_t threads)
    : state_(new State{.next = next, .digest = LaneDigest(threads != 1)}) {}
DigestingSink::~DigestingSink() = default;

Status DigestingSink::write(std::span<const std::byte> bytes) {
  state_->digest.update(bytes);
  return state_->next.write(bytes);
}

Status DigestingSink::finish() {
  state_->sha256 = state_->digest.finish();
  return state_->next.finish();
}

std::span<std::byte> DigestingSink::lend() {
  auto lent = state_->next.lend();
  state_->lent = lent;
  return lent;
}

Status DigestingSink::commit(size_t count) {
  state_->digest.update(state_->lent.first(count));
  return state_->next.commit(count);
}

const std::string& DigestingSink::sha256() const {
  return state_->sha256;
}

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
