// SPDX-License-Identifier: MIT
// The page channels of a multifd migration: what each carries, packet by packet.
//
// With QEMU's capability "multifd" the RAM goes through connections of its own, beside the stream
// proper. Each begins with an initial packet; then come packets of up to 512 KiB of guest memory: a
// header with the place of every page, and the pages behind it. Written by QEMU since 4.0. The
// facts are those of its migration/multifd.c and captures of 7.2 and 10.0; docs/format.md has them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include <vmstream/format.h>
#include <vmstream/result.h>
#include <vmstream/visitor.h>

namespace vmstream {

/// The header of a packet. Offsets are in bytes from the start of the channel.
struct MultifdPacket {
  uint64_t offset = 0;       ///< of the header
  uint64_t data_offset = 0;  ///< behind the header
  uint64_t data_bytes = 0;   ///< that follow there, packed; 0 in packets without pages
  uint32_t flags = 0;        ///< as on the wire
  bool sync = false;         ///< the sender waited for all channels behind this packet
  MultifdMethod method = MultifdMethod::None;
  uint32_t room = 0;  ///< for so many pages; 0 since 9.2 in packets without a page
  /// Counted over all channels. Releases before 9.0 give a packet with pages the number of the
  /// SYNC that overtook it, and mostly send an empty packet of the same number behind it; the
  /// number that the pages had is then nowhere. 0 in packets with device state, which are not
  /// counted.
  uint64_t number = 0;
  std::string_view block = {};           ///< name of the RAM block; not escaped
  std::span<const uint64_t> pages = {};  ///< offsets in the block of pages with data, in its order
  std::span<const uint64_t> zeros = {};  ///< of pages that are zero, which have no data
  std::string_view device = {};          ///< idstr, in packets with device state; not escaped
  std::optional<uint32_t> instance_id = {};  ///< likewise; set in such packets only

  bool has_device_state() const { return instance_id.has_value(); }
  /// Neither pages nor state: what such a packet says of a block and sizes is left from another.
  bool is_empty() const { return pages.empty() && zeros.empty() && !has_device_state(); }
};

/// Receives a channel in order: initial { packet data* packet_end }*. Views are valid during the
/// call only. An error returned stops the reader and comes out of it unchanged.
class MultifdVisitor {
 public:
  virtual ~MultifdVisitor() = default;

  virtual Status on_initial(const MultifdInitial&) { return ok(); }
  virtual Status on_packet(const MultifdPacket&) { return ok(); }
  /// Bytes behind the header, packed as they are, in pieces.
  virtual Status on_data(uint64_t /*offset*/, std::span<const std::byte>) { return ok(); }
  virtual Status on_packet_end(uint64_t /*offset*/) { return ok(); }
  /// What no sender writes and no receiver minds, such as reserved bytes that are not 0.
  virtual Status on_problem(const Problem&) { return ok(); }
};

/// Reads one channel that comes in pieces of any size. Memory: the header of a packet, which has 8
/// bytes for each page in 512 KiB.
///
/// Errors: Errc::Malformed for a header that no QEMU writes, with its offset; Errc::Truncated from
/// finish(). There is no resuming behind them: packets have no mark by which the next is found.
class MultifdReader {
 public:
  /// `visitor` is borrowed. `page_bytes` is the target page size, by which headers have their
  /// length, and which no channel tells: a power of two from 256 bytes to 64 KiB.
  MultifdReader(MultifdVisitor& visitor, uint32_t page_bytes);
  ~MultifdReader();
  MultifdReader(MultifdReader&&) noexcept;

  /// After an error every call returns that error.
  Status feed(std::span<const std::byte> bytes);
  /// Says that the channel has ended. It has no end mark: that it ends between two packets is all
  /// that can be told of it alone.
  Status finish();

  /// Bytes fed so far.
  uint64_t offset() const;
  /// Bytes that lack to the end of a header or of a packet's data: fed so many and no more, the
  /// reader has not begun with the next packet.
  uint64_t wanted() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vmstream
