// SPDX-License-Identifier: MIT
// Page channels of a multifd migration described packet by packet, for tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/stream_builder.h"

namespace testing {

/// How a channel packs its pages; the value is the flag in its packets.
enum class Packing : uint32_t { None = 0x00, Zlib = 0x02, Zstd = 0x04, Qpl = 0x08 };

/// One packet. What is left empty is filled in as QEMU does.
struct PacketFields {
  uint64_t number = 0;
  std::string block = {};
  std::vector<uint64_t> pages = {};  ///< numbers of pages in the block
  std::vector<uint64_t> zeros = {};
  bool sync = false;
  std::optional<uint32_t> room = {};
  std::optional<uint32_t> data_bytes = {};
};

/// Appends packets in the order of the calls. Nothing is checked.
class ChannelBuilder {
 public:
  static constexpr uint32_t kPageBytes = 4096;
  static constexpr size_t kHeaderBytes = 1344;

  explicit ChannelBuilder(uint8_t id, Packing packing = Packing::None, uint8_t uuid_byte = 0);
  ~ChannelBuilder();

  ChannelBuilder& packet(const PacketFields& fields);
  ChannelBuilder& sync(uint64_t number);
  /// Without room for pages, as 9.2 and later send it.
  ChannelBuilder& new_sync(uint64_t number);
  /// With a state of so many bytes.
  ChannelBuilder& device(const std::string& idstr, uint32_t instance_id, uint32_t bytes);

  /// Where the packets begin.
  const std::vector<size_t>& starts() const { return starts_; }
  std::vector<std::byte>& bytes() { return out_.bytes(); }

 private:
  class Packer;

  std::string data_of(const PacketFields& fields);

  StreamBuilder out_;
  Packing packing_;
  std::unique_ptr<Packer> packer_;
  std::vector<size_t> starts_;
};

/// A guest whose pages went through two channels, as releases before 9.0 send it: "pc.ram" of 6
/// pages and "rom" of one. Its main stream has one zero page, and `marks` of a flush, as later
/// releases send them; packet 6 was overtaken by a SYNC. Without the stream's end where `whole` is
/// false.
StreamBuilder multifd_main(size_t marks = 0, bool whole = true);
std::vector<std::byte> multifd_channel(uint8_t id, Packing packing = Packing::None);
/// The same as 9.2 and later send it: no packet overtaken, no room where there is no page.
std::vector<std::byte> new_multifd_channel(uint8_t id);

}  // namespace testing
