// SPDX-License-Identifier: MIT
#include "support/channel_builder.h"

#include <zlib.h>
#include <zstd.h>

namespace testing {

// One compressed stream, flushed after each packet.
class ChannelBuilder::Packer {
 public:
  Packer() : zstd_(ZSTD_createCStream()) { deflateInit(&zlib_, Z_BEST_SPEED); }
  ~Packer() {
    deflateEnd(&zlib_);
    ZSTD_freeCStream(zstd_);
  }
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;

  std::string zlib(std::string plain) {
    std::string packed(plain.size() + 1024, '\0');
    zlib_.next_in = reinterpret_cast<Bytef*>(plain.data());
    zlib_.avail_in = static_cast<uInt>(plain.size());
    zlib_.next_out = reinterpret_cast<Bytef*>(packed.data());
    zlib_.avail_out = static_cast<uInt>(packed.size());
    deflate(&zlib_, Z_SYNC_FLUSH);
    packed.resize(packed.size() - zlib_.avail_out);
    return packed;
  }

  std::string zstd(const std::string& plain) {
    std::string packed(plain.size() + 1024, '\0');
    ZSTD_inBuffer in{plain.data(), plain.size(), 0};
    ZSTD_outBuffer out{packed.data(), packed.size(), 0};
    ZSTD_compressStream2(zstd_, &out, &in, ZSTD_e_flush);
    packed.resize(out.pos);
    return packed;
  }

 private:
  z_stream zlib_{};
  ZSTD_CStream* zstd_;
};

namespace {

constexpr size_t kMostPages = 128;

void add_name(StreamBuilder& out, const std::string& name) {
  out.text(name).repeat(256 - name.size(), 0);
}

void add_front(StreamBuilder& out, uint32_t flags) {
  out.be32(0x11223344).be32(1).be32(flags);
}

}  // namespace

ChannelBuilder::ChannelBuilder(uint8_t id, Packing packing, uint8_t uuid_byte)
    : packing_(packing), packer_(std::make_unique<Packer>()) {
  out_.be32(0x11223344).be32(1).repeat(16, uuid_byte).be8(id).repeat(39, 0);
}

ChannelBuilder::~ChannelBuilder() = default;

std::string ChannelBuilder::data_of(const PacketFields& fields) {
  std::string plain;
  for (uint64_t page : fields.pages) {
    plain.append(kPageBytes, static_cast<char>('a' + page % 26));
  }
  if (plain.empty()) return plain;
  if (packing_ == Packing::Zlib) return packer_->zlib(plain);
  if (packing_ == Packing::Zstd) return packer_->zstd(plain);
  return plain;
}

ChannelBuilder& ChannelBuilder::packet(const PacketFields& fields) {
  starts_.push_back(out_.size());
  std::string data = data_of(fields);
  bool has_pages = !fields.pages.empty() || !fields.zeros.empty();
  uint32_t method = has_pages ? static_cast<uint32_t>(packing_) : 0;
  add_front(out_, method | (fields.sync ? 1u : 0u));
  out_.be32(fields.room.value_or(kMostPages)).be32(fields.pages.size());
  out_.be32(fields.data_bytes.value_or(static_cast<uint32_t>(data.size())));
  out_.be64(fields.number).be32(fields.zeros.size()).repeat(4 + 3 * 8, 0);
  add_name(out_, fields.block);
  for (uint64_t page : fields.pages) out_.be64(page * kPageBytes);
  for (uint64_t page : fields.zeros) out_.be64(page * kPageBytes);
  out_.repeat(8 * (kMostPages - fields.pages.size() - fields.zeros.size()), 0);
  out_.text(data);
  return *this;
}

ChannelBuilder& ChannelBuilder::sync(uint64_t number) {
  return packet({.number = number, .sync = true});
}

ChannelBuilder& ChannelBuilder::new_sync(uint64_t number) {
  return packet({.number = number, .sync = true, .room = 0});
}

ChannelBuilder& ChannelBuilder::device(const std::string& idstr, uint32_t instance_id,
                                       uint32_t bytes) {
  starts_.push_back(out_.size());
  add_front(out_, 0x40);
  add_name(out_, idstr);
  out_.be32(instance_id).be32(bytes).repeat(bytes, 0x5a);
  return *this;
}

StreamBuilder multifd_main(size_t marks, bool whole) {
  constexpr uint64_t kPage = ChannelBuilder::kPageBytes;
  StreamBuilder stream;
  stream.header().configuration("pc-i440fx-7.2");
  stream.start(1, "ram", 4).ram_blocks({{"pc.ram", 6 * kPage}, {"rom", kPage}}).eos().footer();
  stream.part(1);
  for (size_t i = 0; i < marks; ++i) stream.be64(0x200);
  stream.fill_page("pc.ram", 5 * kPage).eos().footer();
  stream.end(1).eos().footer();
  return whole ? stream.eof() : stream;
}

std::vector<std::byte> multifd_channel(uint8_t id, Packing packing) {
  ChannelBuilder channel(id, packing);
  if (id == 0) {
    channel.sync(0).packet({.number = 2, .block = "pc.ram", .pages = {0, 1}}).sync(4);
    channel.packet({.number = 7, .block = "rom", .pages = {0}, .sync = true});
    channel.packet({.number = 7, .block = "rom", .data_bytes = 4096});
  } else {
    channel.sync(1).packet({.number = 3, .block = "pc.ram", .pages = {3, 2}, .zeros = {4}});
    channel.sync(5).packet({.number = 8, .block = "pc.ram", .sync = true, .data_bytes = 8192});
  }
  return std::move(channel.bytes());
}

std::vector<std::byte> new_multifd_channel(uint8_t id) {
  ChannelBuilder channel(id);
  if (id == 0) {
    channel.new_sync(0).packet({.number = 2, .block = "pc.ram", .pages = {0, 1}}).new_sync(4);
    channel.packet({.number = 6, .block = "rom", .pages = {0}}).new_sync(7);
  } else {
    channel.new_sync(1).packet({.number = 3, .block = "pc.ram", .pages = {3, 2}, .zeros = {4}});
    channel.new_sync(5).new_sync(8);
  }
  return std::move(channel.bytes());
}

}  // namespace testing
