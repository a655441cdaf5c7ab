// SPDX-License-Identifier: MIT
// Members of any program and any length, in pieces.
#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "codec/gzip/deflate.h"
#include "codec/gzip/gzip_member.h"

namespace vmstream {
namespace {

// Flags of a member's header.
constexpr uint8_t kHeaderCrc = 0x02;
constexpr uint8_t kExtra = 0x04;
constexpr uint8_t kName = 0x08;
constexpr uint8_t kComment = 0x10;
constexpr uint8_t kReserved = 0xe0;

class GzipStreamDecoder final : public StreamDecoder {
 public:
  Status reset() override {
    part_ = Part::Fixed;
    part_bytes_.clear();
    header_crc_ = 0;
    crc_ = 0;
    plain_bytes_ = 0;
    if (!inflater_->reset()) return Error{Errc::Environment, "gzip: out of memory"};
    return ok();
  }

  Result<bool> decode(std::span<const std::byte>& in, std::span<std::byte>& out) override {
    while (part_ != Part::Done) {
      if (part_ == Part::Body) {
        auto ended = inflate(in, out);
        if (!ended) return ended.error();
        if (!*ended) return false;
        part_ = Part::Trailer;
        for (std::byte next : inflater_->left_over()) {
          if (auto taken = take(next); !taken) return taken.error();
        }
        continue;
      }
      if (in.empty()) return false;
      std::byte next = in.front();
      in = in.subspan(1);
      if (auto taken = take(next); !taken) return taken.error();
    }
    return true;
  }

 private:
  // The parts of a member in their order.
  enum class Part { Fixed, ExtraLength, Extra, Name, Comment, HeaderCrc, Body, Trailer, Done };

  Result<bool> inflate(std::span<const std::byte>& in, std::span<std::byte>& out) {
    auto before = out;
    auto ended = inflater_->inflate(in, out);
    if (!ended) return malformed_member("its data are damaged");
    auto made = before.first(before.size() - out.size());
    crc_ = crc32_of(made, crc_);
    plain_bytes_ += made.size();
    return *ended;
  }

  // One byte of header or trailer. A part is complete when it says so or is long enough.
  Status take(std::byte next) {
    if (part_ < Part::HeaderCrc) header_crc_ = crc32_of({&next, 1}, header_crc_);
    bool is_text = part_ == Part::Name || part_ == Part::Comment;
    if (is_text) return next == std::byte{0} ? end_part() : ok();
    if (part_ == Part::Extra) return --extra_left_ == 0 ? end_part() : ok();
    part_bytes_.push_back(next);
    size_t want = part_ == Part::Fixed ? 10 : part_ == Part::Trailer ? kMemberTrailerBytes : 2;
    return part_bytes_.size() == want ? end_part() : ok();
  }

  Status end_part() {
    Status checked = check_part();
    part_bytes_.clear();
    do {
      part_ = static_cast<Part>(static_cast<int>(part_) + 1);
    } while (is_absent(part_));
    return checked;
  }

  Status check_part() {
    auto byte_at = [this](size_t i) { return std::to_integer<uint32_t>(part_bytes_[i]); };
    if (part_ == Part::Fixed) {
      flags_ = static_cast<uint8_t>(byte_at(3));
      extra_left_ = 0;
      if (byte_at(0) != 0x1f || byte_at(1) != 0x8b) return malformed_member("magic not found");
      if (byte_at(2) != 8) {
        return malformed_member(fmt::format("compression method found {}, want 8", byte_at(2)));
      }
      if (flags_ & kReserved) return malformed_member(fmt::format("unknown flags {:#04x}", flags_));
    } else if (part_ == Part::ExtraLength) {
      extra_left_ = byte_at(0) | byte_at(1) << 8;
    } else if (part_ == Part::HeaderCrc) {
      uint32_t wanted = byte_at(0) | byte_at(1) << 8;
      uint32_t found = header_crc_ & 0xffff;
      if (found != wanted) {
        return malformed_member(
            fmt::format("checksum of its header found {:#06x}, want {:#06x}", found, wanted));
      }
    } else if (part_ == Part::Trailer) {
      return check_member_trailer(part_bytes_, crc_, plain_bytes_);
    }
    return ok();
  }

  bool is_absent(Part part) const {
    switch (part) {
      case Part::ExtraLength:
        return !(flags_ & kExtra);
      case Part::Extra:
        return extra_left_ == 0;
      case Part::Name:
        return !(flags_ & kName);
      case Part::Comment:
        return !(flags_ & kComment);
      case Part::HeaderCrc:
        return !(flags_ & kHeaderCrc);
      case Part::Fixed:
      case Part::Body:
      case Part::Trailer:
      case Part::Done:
        return false;
    }
    return false;
  }

  std::unique_ptr<StreamInflater> inflater_ = make_stream_inflater();
  Part part_ = Part::Fixed;
  std::vector<std::byte> part_bytes_;
  uint8_t flags_ = 0;
  uint32_t extra_left_ = 0;
  uint32_t header_crc_ = 0;
  uint32_t crc_ = 0;
  uint64_t plain_bytes_ = 0;
};

}  // namespace

std::unique_ptr<StreamDecoder> make_gzip_stream_decoder() {
  return std::make_unique<GzipStreamDecoder>();
}

}  // namespace vmstream
