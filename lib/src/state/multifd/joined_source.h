// SPDX-License-Identifier: MIT
// The parts of a guest that was sent through several connections, as the stream of one.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/byte_source.h>

namespace vmstream {

/// What came through one connection, and its name in messages.
struct GuestPart {
  std::string name;
  std::unique_ptr<ByteSource> bytes;  ///< decoded
};

/// All that came, in any order.
struct JoinedParts {
  GuestPart main;
  std::vector<GuestPart> page_channels = {};      ///< of capability multifd
  std::optional<GuestPart> preempt_channel = {};  ///< of postcopy-preempt
};

/// The main stream with the pages of the channels in its ram sections, as ordinary records: what
/// QEMU sends without these capabilities, and takes without them. All else stays as it is, byte for
/// byte; marks for other connections go. The channels are read side by side, in step with the main
/// stream, packets by their number.
///
/// Fails for parts that are not one whole guest, see MultifdGuest, at the latest at the end: what
/// was given before is memory and devices of a guest that is not to be believed in. The message
/// names the part and the place in it, offsets of errors are not those of the joined stream.
/// Whether the main stream is whole behind its memory is for the reader to find out, as of any
/// stream. Memory: a packet of each channel, a bit for each page and packet, 4 MiB besides and what
/// decoding the parts takes.
std::unique_ptr<ByteSource> make_joined_source(JoinedParts parts);

}  // namespace vmstream
