// SPDX-License-Identifier: MIT
// Resume points as bytes:
//
//   varint version, 1
//   varint length of the file   varint length of the plain stream   varint number of points
//   for each point: varint plain bytes since the last   varint bits of the file since the last
//                   le32 CRC-32   varint window bytes   varint deflated window bytes, and those
//
// A varint is LEB128: seven bits a byte, the lowest first, bit 7 set where another byte follows.
#include "codec/gzip/resume_points.h"

#include <fmt/format.h>

#include "base/endian.h"

namespace vmstream {
namespace {

constexpr uint64_t kVersion = 1;

Error malformed(std::string_view what) {
  return Error{Errc::Malformed, fmt::format("resume points: {}", what)};
}

void append_varint(std::vector<std::byte>& bytes, uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<std::byte>(value | 0x80));
  bytes.push_back(static_cast<std::byte>(value));
}

// Reads from the front. The first failure sticks: later reads give nothing.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      auto next = bytes(1);
      if (next.empty()) return 0;
      auto bits = std::to_integer<uint64_t>(next[0]);
      value |= (bits & 0x7f) << shift;
      if (bits < 0x80) return value;
    }
    ok_ = false;
    return 0;
  }

  std::span<const std::byte> bytes(uint64_t count) {
    ok_ = ok_ && count <= rest_.size();
    if (!ok_) return {};
    auto view = rest_.first(static_cast<size_t>(count));
    rest_ = rest_.subspan(view.size());
    return view;
  }

  uint32_t le32() {
    auto view = bytes(4);
    return view.empty() ? 0 : read_le32(view, 0);
  }

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }

 private:
  std::span<const std::byte> rest_;
  bool ok_ = true;
};

ResumePoint read_point(Reader& in, const ResumePoint& last) {
  ResumePoint point;
  point.plain_offset = last.plain_offset + in.varint();
  point.file_bit = last.file_bit + in.varint();
  point.crc = in.le32();
  uint64_t window_length = in.varint();
  point.window_length = static_cast<uint32_t>(std::min<uint64_t>(window_length, UINT32_MAX));
  auto window = in.bytes(in.varint());
  if (window.size() <= kMostPackedWindowBytes) point.window.assign(window.begin(), window.end());
  return point;
}

}  // namespace

Status check_points(const ResumePoints& all) {
  const auto& points = all.points;
  if (points.empty() || points.size() > kMostResumePoints) {
    return malformed(fmt::format("{} of them, want 1 to {}", points.size(), kMostResumePoints));
  }
  const ResumePoint& first = points.front();
  if (first.plain_offset != 0 || first.file_bit != 0 || first.window_length != 0) {
    return malformed("the first is not at the front of the file");
  }
  if (all.file_length > UINT64_MAX / 8) return malformed("the file is too long");
  for (size_t i = 0; i < points.size(); ++i) {
    const ResumePoint& point = points[i];
    bool last = i + 1 == points.size();
    uint64_t plain_end = last ? all.plain_length : points[i + 1].plain_offset;
    uint64_t bit_end = last ? 8 * all.file_length : points[i + 1].file_bit;
    bool has_bytes = plain_end > point.plain_offset || points.size() == 1;
    if (!has_bytes || plain_end - point.plain_offset > kMostResumePieceBytes ||
        bit_end <= point.file_bit) {
      return malformed(fmt::format("from point {} at {:#x} to {:#x} is no stretch of the stream", i,
                                   point.plain_offset, plain_end));
    }
    if (point.window_length > kWindowBytes || point.window_length > point.plain_offset ||
        point.window.empty() != (point.window_length == 0) ||
        (point.window_length == 0 && point.file_bit % 8 != 0)) {
      return malformed(fmt::format("point {} at {:#x} has a window of {} bytes", i,
                                   point.plain_offset, point.window_length));
    }
  }
  return ok();
}

std::vector<std::byte> serialise(const ResumePoints& points) {
  std::vector<std::byte> bytes;
  append_varint(bytes, kVersion);
  append_varint(bytes, points.file_length);
  append_varint(bytes, points.plain_length);
  append_varint(bytes, points.points.size());
  ResumePoint last;
  for (const ResumePoint& point : points.points) {
    append_varint(bytes, point.plain_offset - last.plain_offset);
    append_varint(bytes, point.file_bit - last.file_bit);
    append_le(bytes, point.crc, 4);
    append_varint(bytes, point.window_length);
    append_varint(bytes, point.window.size());
    bytes.insert(bytes.end(), point.window.begin(), point.window.end());
    last.plain_offset = point.plain_offset;
    last.file_bit = point.file_bit;
  }
  return bytes;
}

Result<ResumePoints> parse_resume_points(std::span<const std::byte> bytes) {
  Reader in(bytes);
  if (uint64_t version = in.varint(); in.ok() && version != kVersion) {
    return Error{Errc::Unsupported,
                 fmt::format("resume points: version found {}, want {}", version, kVersion)};
  }
  ResumePoints points;
  points.file_length = in.varint();
  points.plain_length = in.varint();
  uint64_t count = in.varint();
  ResumePoint last;
  for (uint64_t i = 0; in.ok() && i < count && i <= kMostResumePoints; ++i) {
    points.points.push_back(read_point(in, last));
    last.plain_offset = points.points.back().plain_offset;
    last.file_bit = points.points.back().file_bit;
  }
  if (!in.ok()) return Error{Errc::Truncated, "resume points: cut off"};
  if (auto good = check_points(points); !good) return good.error();
  if (!in.at_end()) return malformed("bytes follow the last one");
  return points;
}

}  // namespace vmstream
