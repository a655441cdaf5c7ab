// SPDX-License-Identifier: MIT
// The device state as Xen up to 4.5 writes it: a signature, in most forms a length, the stream.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "container/framing/found_content.h"

namespace vmstream {

/// Where the stream of a record is.
struct XenRecord {
  size_t head_bytes = 0;  ///< in front of it
  uint64_t length = Stretch::kToTheEnd;
};
constexpr size_t kXenRecordHeadBytes = 32;

/// What begins at the front of `bytes`, if that is a record with a stream.
std::optional<XenRecord> read_xen_record(std::span<const std::byte> bytes);

/// The record at the end of a file whose memory is in a form without lengths. Searched in the last
/// 16 MiB: the guest's memory may hold the same words, so that more than one that fits is refused.
/// `in` stands at the stream then.
Result<Stretch> find_last_xen_record(ForwardReader& in);

}  // namespace vmstream
