// SPDX-License-Identifier: MIT
#include "support/qcow2_builder.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdlib>
#include <span>

namespace testing {
namespace {

using Bytes = std::vector<std::byte>;

Bytes packed(ClusterForm form, std::span<const std::byte> cluster) {
  Bytes packed(cluster.size() * 2 + 1024);
  if (form == ClusterForm::Zstd) {
    packed.resize(ZSTD_compress(packed.data(), packed.size(), cluster.data(), cluster.size(), 3));
    return packed;
  }
  z_stream stream{};
  constexpr int kRawWindow = -12;
  deflateInit2(&stream, 6, Z_DEFLATED, kRawWindow, 9, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(cluster.data()));
  stream.avail_in = static_cast<uInt>(cluster.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) std::abort();
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

// Writes clusters one behind the other; tables are filled in when what they tell of has its place.
class Writer {
 public:
  explicit Writer(const Qcow2Image& image)
      : image_(image), cluster_(uint64_t{1} << image.cluster_bits), out_(cluster_) {}

  Bytes write() {
    std::vector<uint64_t> tables;
    for (const auto& snapshot : image_.snapshots) tables.push_back(write_state(snapshot));
    uint64_t table = room(0);
    for (size_t i = 0; i < tables.size(); ++i) write_entry(image_.snapshots[i], tables[i]);
    write_header(table);
    return std::move(out_);
  }

 private:
  uint64_t entry_bytes() const { return image_.extended_l2 ? 16 : 8; }
  uint64_t covers() const { return cluster_ / entry_bytes() * cluster_; }
  uint64_t begin_of(const Qcow2Snapshot& snapshot) const {
    return (snapshot.disk_bytes + covers() - 1) / covers();  // an L1 entry
  }
  uint64_t l1_entries(const Qcow2Snapshot& snapshot) const {
    return begin_of(snapshot) + (snapshot.state.size() + covers() - 1) / covers();
  }

  // At the next cluster.
  uint64_t room(uint64_t bytes) {
    out_.resize((out_.size() + cluster_ - 1) / cluster_ * cluster_);
    uint64_t place = out_.size();
    out_.resize(place + bytes);
    return place;
  }

  uint64_t write_state(const Qcow2Snapshot& snapshot) {
    uint64_t l1 = room(l1_entries(snapshot) * 8);
    constexpr uint64_t kCopied = uint64_t{1} << 63;
    for (uint64_t at = 0; at < snapshot.state.size(); at += covers()) {
      uint64_t l2 = room(cluster_);
      poke(out_, l1 + (begin_of(snapshot) + at / covers()) * 8, l2 | kCopied, 8);
      uint64_t end = std::min<uint64_t>(at + covers(), snapshot.state.size());
      for (uint64_t c = at; c < end; c += cluster_) {
        write_cluster(std::span(snapshot.state).subspan(c, std::min(cluster_, end - c)),
                      l2 + (c - at) / cluster_ * entry_bytes());
      }
    }
    return l1;
  }

  void write_cluster(std::span<const std::byte> content, uint64_t entry) {
    bool is_zeros = std::ranges::all_of(content, [](std::byte b) { return b == std::byte{0}; });
    if (is_zeros && image_.version >= 3) {
      // Once as zeros, once as nothing.
      zeros_said_ = !zeros_said_;
      if (image_.extended_l2) {
        poke(out_, entry + 8, zeros_said_ ? uint64_t{0xffffffff} << 32 : 0, 8);
      } else {
        poke(out_, entry, zeros_said_ ? 1 : 0, 8);
      }
      return;
    }
    if (image_.form == ClusterForm::Plain) {
      uint64_t place = room(content.size());
      std::ranges::copy(content, out_.begin() + static_cast<ptrdiff_t>(place));
      poke(out_, entry, place, 8);
      uint64_t part = cluster_ / 32;
      uint64_t parts = (content.size() + part - 1) / part;
      if (image_.extended_l2) poke(out_, entry + 8, (uint64_t{1} << parts) - 1, 8);
      return;
    }
    Bytes whole(content.begin(), content.end());
    whole.resize(cluster_);
    Bytes data = packed(image_.form, whole);
    uint64_t place = out_.size() + 3;  // anywhere
    out_.resize(place);
    out_.insert(out_.end(), data.begin(), data.end());
    uint64_t sectors = (place % 512 + data.size() + 511) / 512 - 1;
    unsigned bits = 62 - (image_.cluster_bits - 8);
    poke(out_, entry, uint64_t{1} << 62 | sectors << bits | place, 8);
  }

  void append(uint64_t value, size_t width) {
    out_.resize(out_.size() + width);
    poke(out_, out_.size() - width, value, width);
  }

  void write_entry(const Qcow2Snapshot& snapshot, uint64_t l1) {
    out_.resize((out_.size() + 7) / 8 * 8);
    append(l1, 8);
    append(l1_entries(snapshot), 4);
    append(snapshot.id.size(), 2);
    append(snapshot.name.size(), 2);
    append(1795838100, 4);  // 2026-11-28 03:55:00 UTC
    append(5, 4);
    append(12'345'678'901, 8);
    append(snapshot.state.size() & 0xffffffff, 4);
    append(image_.extra_bytes, 4);
    Bytes extra(image_.extra_bytes);
    if (extra.size() >= 8) poke(extra, 0, snapshot.state.size(), 8);
    if (extra.size() >= 16) poke(extra, 8, snapshot.disk_bytes, 8);
    out_.insert(out_.end(), extra.begin(), extra.end());
    for (char c : snapshot.id + snapshot.name) out_.push_back(static_cast<std::byte>(c));
  }

  void write_header(uint64_t table) {
    poke(out_, 0, 0x514649fb, 4);
    poke(out_, 4, image_.version, 4);
    poke(out_, 20, image_.cluster_bits, 4);
    poke(out_, 24, 1 << 20, 8);
    poke(out_, 60, image_.snapshots.size(), 4);
    poke(out_, 64, table, 8);
    if (image_.version < 3) return;
    bool zstd = image_.form == ClusterForm::Zstd;
    uint64_t features = image_.incompatible | (zstd ? 8 : 0) | (image_.extended_l2 ? 16 : 0);
    poke(out_, 72, features, 8);
    poke(out_, 96, 4, 4);
    poke(out_, 100, 112, 4);
    poke(out_, 104, zstd ? 1 : 0, 1);
  }

  const Qcow2Image& image_;
  uint64_t cluster_;
  Bytes out_;
  bool zeros_said_ = false;
};

}  // namespace

std::vector<std::byte> Qcow2Image::bytes() const {
  return Writer(*this).write();
}

void poke(std::vector<std::byte>& image, uint64_t offset, uint64_t value, size_t width) {
  for (size_t i = 0; i < width; ++i) {
    image.at(offset + i) = static_cast<std::byte>(value >> (8 * (width - 1 - i)));
  }
}

uint64_t peek(const std::vector<std::byte>& image, uint64_t offset, size_t width) {
  uint64_t value = 0;
  for (size_t i = 0; i < width; ++i) {
    value = value << 8 | std::to_integer<uint64_t>(image.at(offset + i));
  }
  return value;
}

}  // namespace testing
