// SPDX-License-Identifier: MIT
// Resume points in gzip files, noted and used. zlib alone can stop between two blocks of deflate
// and begin at any bit, so it does both.
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "base/hash.h"
#include "codec/blocks/input_window.h"
#include "codec/blocks/piece_cache.h"
#include "codec/gzip/deflate.h"
#include "codec/gzip/gzip_member.h"
#include "codec/gzip/resume_points.h"
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr uint64_t kMostSpacing = kMostResumePieceBytes / 2;
constexpr int kRaw = -15;  // bare deflate
constexpr int kGzip = 31;  // zlib reads header and trailer, and checks the trailer
constexpr size_t kInputBytes = 128 * 1024;

Error zlib_error(int code, const char* message) {
  if (code == Z_MEM_ERROR) return Error{Errc::Environment, "gzip: out of memory"};
  return malformed_member(
      fmt::format("its data are damaged ({})", message ? message : "no reason given"));
}

// A z_stream for inflating, with its life.
class Inflater {
 public:
  Inflater() { ready_ = inflateInit2(&stream_, kGzip) == Z_OK; }
  Inflater(const Inflater&) = delete;
  ~Inflater() {
    if (ready_) inflateEnd(&stream_);
  }

  Status reset(int format) {
    if (!ready_ || inflateReset2(&stream_, format) != Z_OK) {
      return Error{Errc::Environment, "gzip: out of memory"};
    }
    return ok();
  }

  // Takes off both spans what was used; the code is zlib's.
  int inflate(std::span<const std::byte>& in, std::span<std::byte>& out, int flush) {
    constexpr size_t kMostAtOnce = std::numeric_limits<uInt>::max();
    auto offered_in = static_cast<uInt>(std::min(in.size(), kMostAtOnce));
    auto offered_out = static_cast<uInt>(std::min(out.size(), kMostAtOnce));
    stream_.next_in =  // not written to
        const_cast<Bytef*>(reinterpret_cast<const Bytef*>(in.data()));
    stream_.avail_in = offered_in;
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = offered_out;
    int code = ::inflate(&stream_, flush);
    in = in.subspan(offered_in - stream_.avail_in);
    out = out.subspan(offered_out - stream_.avail_out);
    return code;
  }

  // After Z_BLOCK: stopped in front of a block that is not the first to end the stream.
  bool between_blocks() const {
    return (stream_.data_type & 128) != 0 && (stream_.data_type & 64) == 0;
  }
  unsigned unused_bits() const { return static_cast<unsigned>(stream_.data_type & 7); }
  const char* message() const { return stream_.msg; }

  std::vector<std::byte> window() {
    std::vector<std::byte> bytes(kWindowBytes);
    uInt length = 0;
    inflateGetDictionary(&stream_, reinterpret_cast<Bytef*>(bytes.data()), &length);
    bytes.resize(length);
    return bytes;
  }

  // Begins within a stream of bare deflate.
  bool prime(std::span<const std::byte> window, unsigned bit_count, unsigned bits) {
    if (bit_count > 0 &&
        inflatePrime(&stream_, static_cast<int>(bit_count), static_cast<int>(bits)) != Z_OK) {
      return false;
    }
    return inflateSetDictionary(&stream_, reinterpret_cast<const Bytef*>(window.data()),
                                static_cast<uInt>(window.size())) == Z_OK;
  }

 private:
  z_stream stream_{};
  bool ready_ = false;
};

// Gathers points as they are met, and thins them out where there are too many.
class PointCollector {
 public:
  PointCollector(ResumePoints& noted, NotingOptions options)
      : noted_(noted),
        most_points_(std::max<size_t>(options.most_points, 1)),
        spacing_(options.spacing_bytes) {
    noted_ = {};
  }

  bool wants_point() const {
    return !given_up_ && (noted_.points.empty() || plain_ - last() >= spacing_);
  }
  void take(std::span<const std::byte> plain) {
    crc_ = crc32_of(plain, crc_);
    plain_ += plain.size();
  }

  void note(uint64_t file_bit, std::span<const std::byte> window) {
    if (noted_.points.size() >= most_points_) thin_out();
    if (!wants_point()) return;
    close_last();
    ResumePoint point{.plain_offset = plain_, .file_bit = file_bit};
    if (!window.empty()) {
      std::vector<std::byte> packed(std::max(deflater_->bound(window.size()), window.size()));
      packed.resize(deflater_->deflate(window, packed));
      if (packed.empty()) return;
      packed.shrink_to_fit();
      point.window_length = static_cast<uint32_t>(window.size());
      point.window = std::move(packed);
    }
    noted_.points.push_back(std::move(point));
  }

  void end(uint64_t file_length) {
    if (!noted_.points.empty()) close_last();
    noted_.plain_length = plain_;
    noted_.file_length = file_length;
  }

 private:
  uint64_t last() const { return noted_.points.back().plain_offset; }

  void close_last() {
    if (!noted_.points.empty()) noted_.points.back().crc = std::exchange(crc_, 0);
  }

  // Every other point goes, and its stretch becomes part of the one before.
  void thin_out() {
    spacing_ *= 2;
    auto& points = noted_.points;
    if (spacing_ > kMostSpacing) {
      given_up_ = true;
      points.clear();
      return;
    }
    points.back().crc = crc_;
    for (size_t i = 0; i < points.size(); i += 2) {
      if (i + 1 < points.size()) {
        uint64_t end = i + 2 < points.size() ? points[i + 2].plain_offset : plain_;
        auto length = static_cast<z_off_t>(end - points[i + 1].plain_offset);
        points[i].crc =
            static_cast<uint32_t>(crc32_combine(points[i].crc, points[i + 1].crc, length));
      }
      if (i > 0) points[i / 2] = std::move(points[i]);
    }
    points.resize((points.size() + 1) / 2);
    crc_ = points.back().crc;
  }

  ResumePoints& noted_;
  const size_t most_points_;
  uint64_t spacing_;
  std::unique_ptr<Deflater> deflater_ = make_deflater(traits_of(Coding::Gzip).default_level);
  uint64_t plain_ = 0;
  uint32_t crc_ = 0;  // since the last point
  bool given_up_ = false;
};

class NotingDecoder final : public ByteSource {
 public:
  NotingDecoder(std::unique_ptr<ByteSource> compressed, ResumePoints& noted, NotingOptions options)
      : window_(std::move(compressed), false), points_(noted, options), limits_(options.limits) {}

  Result<size_t> read(std::span<std::byte> into) override {
    if (failed_) return *failed_;
    if (auto within = check_limits(limits_, "the decoder"); !within) return within.error();
    size_t made = 0;
    while (made == 0 && !into.empty() && !ended_) {
      auto count = in_member_ ? inflate(into) : begin_member();
      if (!count) {
        failed_ = count.error();
        if (!failed_->file_offset) failed_->file_offset = window_.file_offset();
        return *failed_;
      }
      made = *count;
    }
    return made;
  }

 private:
  // At the front of a member, or behind the last.
  Result<size_t> begin_member() {
    constexpr size_t kMagicBytes = 2;
    if (auto filled = window_.fill(kMagicBytes); !filled) return filled.error();
    auto view = window_.view();
    bool begins =
        view.size() >= kMagicBytes && view[0] == std::byte{0x1f} && view[1] == std::byte{0x8b};
    if (!begins && !any_member_) return malformed_member("magic not found");
    if (!begins) return end_with_padding();
    any_member_ = in_member_ = true;
    member_plain_ = 0;
    if (points_.wants_point()) points_.note(8 * window_.file_offset(), {});
    if (auto ready = inflater_.reset(kGzip); !ready) return ready.error();
    return size_t{0};
  }

  Result<size_t> end_with_padding() {
    while (!window_.view().empty()) {
      bool zeros =
          std::ranges::all_of(window_.view(), [](std::byte b) { return b == std::byte{0}; });
      if (!zeros) return malformed_member("bytes that are none follow the last one");
      window_.consume(window_.view().size());
      if (auto filled = window_.fill(1); !filled) return filled.error();
    }
    points_.end(window_.file_offset());
    ended_ = true;
    return size_t{0};
  }

  Result<size_t> inflate(std::span<std::byte> into) {
    if (auto filled = window_.fill(1); !filled) return filled.error();
    if (window_.view().empty()) {
      return Error{Errc::Truncated, "gzip member: cut off by the end of the file"};
    }
    auto in = window_.view();
    auto out = into;
    int code = inflater_.inflate(in, out, Z_BLOCK);
    window_.consume(window_.view().size() - in.size());
    auto made = into.first(into.size() - out.size());
    points_.take(made);
    member_plain_ += made.size();
    if (code == Z_STREAM_END) {
      in_member_ = false;
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      return zlib_error(code, inflater_.message());
    } else if (inflater_.between_blocks() && member_plain_ > 0 && points_.wants_point()) {
      points_.note(8 * window_.file_offset() - inflater_.unused_bits(), inflater_.window());
    }
    return made.size();
  }

  InputWindow window_;
  Inflater inflater_;
  PointCollector points_;
  WaitLimits limits_;
  bool any_member_ = false;
  bool in_member_ = false;
  bool ended_ = false;
  uint64_t member_plain_ = 0;
  std::optional<Error> failed_;
};

class ResumePieces final : public PieceDecoder {
 public:
  ResumePieces(RandomSource& file, ResumePoints points) : file_(file), points_(std::move(points)) {}

  uint64_t plain_length() const override { return points_.plain_length; }

  Piece find(uint64_t plain_offset) const override {
    const auto& all = points_.points;
    auto behind = std::ranges::upper_bound(all, plain_offset, {}, &ResumePoint::plain_offset);
    uint64_t end = behind == all.end() ? plain_length() : behind->plain_offset;
    const ResumePoint& point = *(behind - 1);
    return {static_cast<size_t>(behind - all.begin()) - 1, point.plain_offset,
            static_cast<size_t>(end - point.plain_offset)};
  }

  Status decode(const Piece& piece, Buffer& plain) override {
    const ResumePoint& point = points_.points[piece.number];
    auto status = inflate_from(point, piece.plain_length, plain);
    if (status && crc32_of(plain.view()) != point.crc) {
      status = malformed_member(
          fmt::format("checksum of the {} bytes from a resume point found {:#010x}, "
                      "want {:#010x}",
                      plain.size(), crc32_of(plain.view()), point.crc));
    }
    if (status) return status;
    Error error = status.error();
    error.file_offset = point.file_bit / 8;
    return error;
  }

 private:
  Status inflate_from(const ResumePoint& point, size_t length, Buffer& plain) {
    if (auto begun = begin(point); !begun) return begun;
    while (plain.size() < length) {
      if (auto filled = fill_input(); !filled) return filled;
      auto out = plain.room().first(length - plain.size());
      size_t offered = out.size();
      int code = inflater_.inflate(input_, out, Z_NO_FLUSH);
      plain.extend(offered - out.size());
      if (code == Z_STREAM_END) {
        if (auto begun = begin_next_member(); !begun) return begun;
      } else if (code != Z_OK && code != Z_BUF_ERROR) {
        return zlib_error(code, inflater_.message());
      }
    }
    return ok();
  }

  Status begin(const ResumePoint& point) {
    next_ = point.file_bit / 8;
    input_ = {};
    within_member_ = point.window_length > 0;
    if (!within_member_) return inflater_.reset(kGzip);
    if (auto ready = inflater_.reset(kRaw); !ready) return ready;
    std::array<std::byte, kWindowBytes> room;
    auto window = std::span(room).first(point.window_length);
    if (!window_inflater_->inflate(point.window, window)) {
      return malformed_member("the window of a resume point is damaged");
    }
    unsigned bits = 0;
    auto bit = static_cast<unsigned>(point.file_bit % 8);
    if (bit > 0) {
      if (auto filled = fill_input(); !filled) return filled;
      bits = std::to_integer<unsigned>(input_.front()) >> bit;
      input_ = input_.subspan(1);
    }
    if (!inflater_.prime(window, bit > 0 ? 8 - bit : 0, bits)) {
      return malformed_member("decoding cannot begin at a resume point");
    }
    return ok();
  }

  // zlib has read and checked the trailer itself where it has seen the member's header.
  Status begin_next_member() {
    size_t left = within_member_ ? kMemberTrailerBytes : 0;
    within_member_ = false;
    while (left > 0) {
      if (auto filled = fill_input(); !filled) return filled;
      size_t step = std::min(left, input_.size());
      input_ = input_.subspan(step);
      left -= step;
    }
    return inflater_.reset(kGzip);
  }

  Status fill_input() {
    if (!input_.empty()) return ok();
    auto count = static_cast<size_t>(std::min<uint64_t>(kInputBytes, file_.length() - next_));
    if (count == 0) return Error{Errc::Truncated, "gzip member: cut off by the end of the file"};
    input_memory_.resize(count);
    if (auto got = file_.read_at(next_, input_memory_); !got) return got;
    next_ += count;
    input_ = input_memory_;
    return ok();
  }

  RandomSource& file_;
  const ResumePoints points_;
  Inflater inflater_;
  std::unique_ptr<BlockInflater> window_inflater_ = make_block_inflater();
  std::vector<std::byte> input_memory_;
  std::span<const std::byte> input_;
  uint64_t next_ = 0;
  bool within_member_ = false;  // begun behind the header of the member
};

}  // namespace

std::unique_ptr<ByteSource> make_noting_decoder(std::unique_ptr<ByteSource> compressed,
                                                ResumePoints& noted, NotingOptions options) {
  return std::make_unique<NotingDecoder>(std::move(compressed), noted, options);
}

Result<std::unique_ptr<RandomSource>> make_resuming_decoder(RandomSource& file, ResumePoints points,
                                                            RandomDecodeOptions options) {
  if (auto good = check_points(points); !good) return good.error();
  if (points.file_length != file.length()) {
    return Error{Errc::Malformed,
                 fmt::format("the resume points are of a file of {} bytes, this one has {}",
                             points.file_length, file.length())};
  }
  return make_piece_source(std::make_unique<ResumePieces>(file, std::move(points)),
                           options.cache_bytes);
}

}  // namespace vmstream
