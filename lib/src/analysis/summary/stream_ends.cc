// SPDX-License-Identifier: MIT
// Device sections have no lengths, but the description at the very end has: it leads backwards
// through them. A stream whose middle is left out is parsed like any other, so everything that is
// read here is read again, and judged, by the parser; here only the places are found.
#include <vmstream/partial_reading.h>

#include <algorithm>
#include <span>
#include <string_view>
#include <vector>

#include <vmstream/parser.h>
#include <vmstream/vmdesc.h>
#include "base/byte_reader.h"
#include "format/records/records.h"
#include "format/wire.h"

namespace vmstream {
namespace {

// The block list of a guest with thousands of blocks stays below; page records in the first section
// (QEMU before 1.2) do not, and such files are read as a whole.
constexpr uint64_t kMostHeadBytes = 1u << 20;
// Holds the description of a common guest, and seldom reaches into the block before the last one.
constexpr uint64_t kFirstTailBytes = 128u << 10;
constexpr uint64_t kMostDescriptionBytes = 64u << 20;
constexpr uint64_t kMostDeviceBytes = 32u << 20;

// Parts of the stream, by position.
class Parts {
 public:
  explicit Parts(RandomSource& stream) : stream_(stream) {}

  uint64_t size() const { return stream_.length(); }

  /// Empty unless all of it can be had.
  Bytes read(uint64_t offset, uint64_t count) const {
    if (offset > size() || count > size() - offset) return {};
    Bytes bytes(static_cast<size_t>(count));
    if (!stream_.read_at(offset, bytes)) return {};
    return bytes;
  }

 private:
  RandomSource& stream_;
};

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The offset of the record within `tail`, which ends the file: EOF, the type byte, a length that
// fits exactly, and the brace that opens the text. No text holds the type byte.
std::optional<size_t> find_vmdesc(std::span<const std::byte> tail) {
  for (size_t at = tail.size(); at-- > 1;) {
    if (tail[at] != std::byte{static_cast<uint8_t>(SectionType::Vmdescription)}) continue;
    ByteReader in(tail.subspan(at + 1));
    uint32_t length = in.be<uint32_t>("length");
    if (in.ok() && length > 0 && length == in.remaining() && in.rest().front() == std::byte{'{'} &&
        tail[at - 1] == std::byte{static_cast<uint8_t>(SectionType::Eof)}) {
      return at;
    }
  }
  return std::nullopt;
}

struct Description {
  uint64_t offset = 0;  // of the type byte
  Vmdesc vmdesc;
};

std::optional<Description> read_description(const Parts& stream) {
  if (auto last = stream.read(stream.size() - 1, 1); last.empty() || last[0] != std::byte{'}'}) {
    return std::nullopt;
  }
  for (uint64_t wanted = kFirstTailBytes;; wanted *= 8) {
    uint64_t count = std::min(wanted, stream.size());
    Bytes tail = stream.read(stream.size() - count, count);
    if (auto at = find_vmdesc(tail)) {
      auto vmdesc = Vmdesc::parse(as_text(std::span(tail).subspan(*at + wire::kVmdescHeaderBytes)));
      if (!vmdesc) return std::nullopt;
      return Description{stream.size() - count + *at, std::move(*vmdesc)};
    }
    if (count == stream.size() || wanted >= kMostDescriptionBytes) return std::nullopt;
  }
}

// Whether a slice of an iterable section ends at `end`: by its footer or, in streams without
// footers, by ram's end mark.
bool slice_ends_at(const Parts& stream, uint64_t end, bool footers) {
  uint64_t length = footers ? wire::kFooterBytes : wire::kRamWordBytes;
  if (end < length) return false;
  Bytes bytes = stream.read(end - length, length);
  if (bytes.empty()) return false;
  if (footers) return bytes[0] == std::byte{static_cast<uint8_t>(SectionType::Footer)};
  return ByteReader(bytes).be<uint64_t>("end mark") == wire::kRamEos;
}

// The offset of the section that ends at `end` and is what `device` describes.
std::optional<uint64_t> find_device(const Parts& stream, const VmdescDevice& device, uint64_t end,
                                    bool footers) {
  uint64_t head = 1 + 4 + 1 + device.idstr.size() + 4 + 4;
  uint64_t body = device.body_length();
  uint64_t foot = footers ? wire::kFooterBytes : 0;
  if (body > end || head + foot > end - body) return std::nullopt;
  uint64_t start = end - body - head - foot;
  Bytes head_bytes = stream.read(start, head);
  ByteReader in(head_bytes);
  bool is_full = in.be<uint8_t>("type") == static_cast<uint8_t>(SectionType::Full);
  uint32_t section_id = in.be<uint32_t>("section id");
  bool is_named = in.counted_string("idstr") == device.idstr;
  bool is_instance = in.be<uint32_t>("instance id") == device.instance_id;
  if (!in.ok()) return std::nullopt;
  if (!is_full || !is_named || !is_instance) return std::nullopt;
  if (!footers) return start;
  Bytes foot_bytes = stream.read(end - foot, foot);
  ByteReader behind(foot_bytes);
  bool is_footer = behind.be<uint8_t>("type") == static_cast<uint8_t>(SectionType::Footer);
  if (!is_footer || behind.be<uint32_t>("section id") != section_id) return std::nullopt;
  return start;
}

std::optional<uint64_t> walk_back(const Parts& stream, const Description& description,
                                  bool footers) {
  const auto& devices = description.vmdesc.devices();
  uint64_t end = description.offset - 1;  // EOF
  for (auto device = devices.rbegin(); device != devices.rend(); ++device) {
    auto start = find_device(stream, *device, end, footers);
    if (!start) return std::nullopt;
    end = *start;
  }
  if (devices.empty() || !slice_ends_at(stream, end, footers)) return std::nullopt;
  return end;
}

// Stops at the first section that is not a START.
class HeadVisitor final : public StreamVisitor {
 public:
  Status on_section(const SectionHeader& header) override {
    if (header.type == SectionType::Start) return ok();
    if (header.type != SectionType::Full) head_length = header.offset;
    return Error{Errc::Interrupted, "the head has ended"};
  }
  std::optional<uint64_t> head_length;
};

// Up to the first section that is not a START, without the areas of mapped-ram.
std::optional<std::vector<StreamPiece>> read_head(const Parts& stream) {
  constexpr uint64_t kStep = 16384;
  HeadVisitor visitor;
  StreamParser parser(visitor, {}, {.mapped_pages = MappedPages::None});
  std::vector<StreamPiece> head(1);
  for (uint64_t read = 0; read < kMostHeadBytes && parser.offset() < stream.size(); read += kStep) {
    if (uint64_t area = parser.skippable(); area > 0) {
      if (area > stream.size() - parser.offset() || !parser.skip(area)) break;
      head.push_back({parser.offset(), {}});
    }
    Bytes bytes = stream.read(parser.offset(), std::min(kStep, stream.size() - parser.offset()));
    if (bytes.empty()) break;
    head.back().bytes.insert(head.back().bytes.end(), bytes.begin(), bytes.end());
    if (!parser.feed(bytes)) break;
  }
  if (!visitor.head_length) return std::nullopt;
  head.back().bytes.resize(static_cast<size_t>(*visitor.head_length - head.back().offset));
  return head;
}

Status feed_ends(StreamParser& parser, const StreamEnds& ends) {
  for (const StreamPiece& piece : ends.pieces) {
    if (auto passed = parser.skip(piece.offset - parser.offset()); !passed) return passed;
    if (auto fed = parser.feed(piece.bytes); !fed) return fed;
  }
  return parser.finish();
}

}  // namespace

std::optional<StreamEnds> read_stream_ends(RandomSource& plain) {
  Parts stream(plain);
  Bytes magic = stream.read(0, wire::kHeaderBytes);
  if (magic.empty() || ByteReader(magic).be<uint32_t>("magic") != kStreamMagic) return std::nullopt;
  auto description = read_description(stream);
  if (!description) return std::nullopt;
  auto tail_offset = walk_back(stream, *description, true);
  if (!tail_offset) tail_offset = walk_back(stream, *description, false);
  if (!tail_offset || description->offset - *tail_offset > kMostDeviceBytes) return std::nullopt;
  auto head = read_head(stream);
  if (!head || head->back().offset + head->back().bytes.size() > *tail_offset) return std::nullopt;
  StreamEnds ends{std::move(*head)};
  ends.pieces.push_back({*tail_offset, stream.read(*tail_offset, stream.size() - *tail_offset)});
  if (ends.pieces.back().bytes.empty()) return std::nullopt;
  return ends;
}

uint64_t StreamEnds::skipped_bytes() const {
  uint64_t skipped = stream_bytes();
  for (const StreamPiece& piece : pieces) skipped -= piece.bytes.size();
  return skipped;
}

ScanResult scan_ends(const StreamEnds& ends, StreamVisitor& visitor, const ParseLimits& limits) {
  StreamParser parser(visitor, limits, {.mapped_pages = MappedPages::None});
  ScanResult result{.plain_bytes = ends.stream_bytes(),
                    .parsed_bytes = ends.stream_bytes(),
                    .stream_bytes = ends.stream_bytes(),
                    .ends_only = true};
  if (auto fed = feed_ends(parser, ends); !fed) {
    result.fault = fed.error();
    result.parsed_bytes = parser.confirmed_offset();
  }
  result.ended = parser.has_ended();
  return result;
}

}  // namespace vmstream
