// SPDX-License-Identifier: MIT
// The one parser of migration streams: bytes in as they come, events out, constant memory.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include <vmstream/byte_source.h>
#include <vmstream/visitor.h>

namespace vmstream {

class Vmdesc;

/// Upper bounds for what a stream may ask of its reader. Each stops one attack or accident.
struct ParseLimits {
  uint64_t device_tail_bytes = 32u << 20;    ///< device sections kept until the vmdesc bounds them
  uint64_t vmdesc_bytes = 64u << 20;         ///< JSON text
  uint64_t package_bytes = 64u << 20;        ///< a PACKAGED command's records
  uint64_t mapped_bitmap_bytes = 64u << 20;  ///< of one mapped-ram block; enough for 2 TiB
  uint32_t sections = 1u << 16;              ///< distinct section ids; 4096 CPUs have 12288
  uint32_t ram_blocks = 1u << 14;            ///< entries of the block list; 256 DIMMs have as many
  uint32_t capabilities = 256;               ///< names in configuration/capabilities
  uint32_t machine_name_bytes = 4096;        ///< length of the machine type's name
};

/// What is wanted of the pages of a mapped-ram stream, which have fixed places, needed or not.
enum class MappedPages {
  Content,  ///< the pages; those that are absent may be passed over
  Places,   ///< which there are; their content may be passed over as well
  None,     ///< nothing: no page is shown, and all of a block's area may be passed over
};

/// What the caller knows of the stream beforehand, and wants of it.
struct ParseContext {
  /// The stream's own description, if it was read from the end first; device bodies are then
  /// bounded as they come, and nothing is buffered. Borrowed.
  const Vmdesc* vmdesc = nullptr;
  /// Target page size in bytes; 0: found out from the stream.
  uint32_t target_page_size = 0;
  /// Take up reading again behind damage, where the framing allows; see StreamVisitor::on_gap().
  bool resume = false;
  MappedPages mapped_pages = MappedPages::Content;
};

/// Parses a stream that arrives in pieces of any size.
///
/// Pages that lie within one piece are shown in place; one that spans pieces is put together in a
/// small buffer. Device sections are kept (at most ParseLimits::device_tail_bytes) until the vmdesc
/// has come and can bound them exactly; without one, bounds are inferred and marked so.
/// Memory: O(device tail + vmdesc), never O(RAM).
class StreamParser {
 public:
  /// `visitor` is borrowed and must outlive the parser.
  explicit StreamParser(StreamVisitor& visitor, ParseLimits limits = {}, ParseContext context = {});
  ~StreamParser();
  StreamParser(StreamParser&&) noexcept;

  /// Parses what can be parsed. After an error every call returns that error.
  Status feed(std::span<const std::byte> bytes);

  /// Passes over `count` bytes that are not fed. Possible when every byte fed has been taken up:
  /// between two records, for readers that look at the ends of a stream only, and for all of
  /// skippable(). Errc::Usage elsewhere. Pages among the bytes are shown without their payload.
  Status skip(uint64_t count);

  /// How many of the next bytes hold nothing that was asked for: padding and pages of a mapped-ram
  /// stream, see ParseContext::mapped_pages. Fed all the same, they are read as any others.
  uint64_t skippable() const;

  /// How many bytes the record lacks of which some have been fed; 0 where none has.
  size_t wanted() const;

  /// Says that the input has ended. Fails with Errc::Truncated unless the stream is complete: EOF
  /// seen, and an announced vmdesc read to its end.
  Status finish();

  /// Every byte before this offset has been recognised as part of a well-formed stream, or passed
  /// over in a gap that has been told of. The EOF record and what follows it count as recognised
  /// only after finish() has succeeded.
  uint64_t confirmed_offset() const;

  /// Whether EOF has been read: only the description may follow.
  bool has_ended() const;

  /// Whether EOF has been read, and what stands behind it is taken for the description, which has
  /// not been read to its end: a fault met here is the description's.
  bool is_in_description() const;

  /// Bytes fed so far.
  uint64_t offset() const;

  /// The first byte behind the stream (behind EOF or the vmdesc). Known after finish().
  uint64_t stream_length() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Feeds all of `source` to a parser and finishes it.
Status parse_stream(ByteSource& source, StreamVisitor& visitor, const ParseLimits& limits = {},
                    ParseContext context = {});

}  // namespace vmstream
