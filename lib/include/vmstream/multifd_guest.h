// SPDX-License-Identifier: MIT
// Whether the parts of a multifd migration, the main stream and its page channels, are one guest
// and all of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <vmstream/byte_source.h>
#include <vmstream/digest.h>
#include <vmstream/format.h>
#include <vmstream/problems.h>
#include <vmstream/visitor.h>

namespace vmstream {

/// What was read of a page channel.
struct MultifdChannel {
  std::optional<MultifdInitial> initial;
  uint64_t plain_bytes = 0;
  uint64_t packets = 0;
  uint64_t syncs = 0;           ///< packets with SYNC
  uint64_t device_packets = 0;  ///< packets with the state of a device
  uint64_t pages = 0;           ///< with data; a page that was sent twice counts twice
  uint64_t zero_pages = 0;
  /// Of the packets with pages; empty where there is none.
  std::optional<MultifdMethod> method = std::nullopt;
  std::optional<Error> fault = std::nullopt;  ///< why reading stopped before the end
  ProblemLog problems;  ///< that of the fault as well; offsets are in the channel

  /// False where the data was packed in a way that is not looked into: Qpl, Uadk, Qatzip.
  bool data_read() const;
};

/// What the parts are together.
struct MultifdFindings {
  std::vector<MultifdChannel> channels;  ///< in the order in which they were read
  /// What no single part is to blame for, and which therefore has no place: offsets are 0.
  ProblemLog problems;
  /// Pages of the block list of which no part tells; with x-ignore-shared those of blocks of which
  /// no page was sent are left out. They are a problem unless the guest has a balloon or
  /// virtio-mem, whose senders leave pages out.
  uint64_t absent_pages = 0;
  uint64_t main_pages = 0;       ///< that came in the main stream: with data
  uint64_t main_zero_pages = 0;  ///< and zero

  /// Nothing is wrong with the channels and with what they are together.
  bool ok() const;
};

/// How a channel is read.
struct ChannelOptions {
  Sha256* digest = nullptr;  ///< over every plain byte; borrowed, may be null
  /// Told how many plain bytes have been read, once a piece.
  std::function<void(uint64_t)> on_progress = {};
};

/// Holds the channels of a guest against its main stream and against each other: ids, UUIDs, block
/// names, places of pages, lengths of data (which is unpacked for that, where it is zlib or zstd),
/// numbers of packets (without a gap, but for senders before 9.2), as many SYNC packets everywhere
/// as the main stream waits for, and for every page somebody who sent it. The content of pages has
/// no checksum: a flipped bit in it is found where unpacking fails only.
///
/// Use: scan_stream() of the main stream with main_visitor(), then read_channel() for each channel
/// in any order, then finish(). Used by one thread.
/// Memory: a bit for each page, as much as it is given for that, a bit for each packet number, at
/// most 18 MiB, and what MultifdReader and unpacking take.
class MultifdGuest {
 public:
  /// Enough for 20 TiB of pages of 4 KiB.
  static constexpr uint64_t kMostSetBytes = uint64_t{704} << 20;

  /// `most_set_bytes`: of memory to know which pages came.
  explicit MultifdGuest(uint64_t most_set_bytes = kMostSetBytes);
  ~MultifdGuest();

  /// Borrowed; to be shown all of the main stream.
  StreamVisitor& main_visitor();

  /// Reads a channel to its end. A fault of the stream is part of the findings. The error is of the
  /// world around it (I/O, interruption), or Errc::Unsupported where the channels cannot be
  /// understood: with a page size that the main stream tells too late, or too many pages.
  /// Then there are no findings, and finish() is not called.
  Status read_channel(ByteSource& source, const ChannelOptions& options = {});

  /// Call once, and read nothing after.
  MultifdFindings finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
