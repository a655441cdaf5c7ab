// SPDX-License-Identifier: MIT
#include "format/multifd/multifd.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "format/multifd/packet_header.h"
#include "format/wire.h"

namespace vmstream {

// Gathers a header until it is whole; passes on the data behind it as it comes.
class MultifdReader::Impl {
 public:
  Impl(MultifdVisitor& visitor, uint32_t page_bytes)
      : visitor_(visitor), page_bytes_(page_bytes), wanted_(wire::kMultifdInitialBytes) {}

  Status feed(std::span<const std::byte> bytes) {
    while (status_ && !bytes.empty()) {
      size_t taken = data_left_ > 0 ? take_data(bytes) : take_header(bytes);
      bytes = bytes.subspan(taken);
    }
    return status_;
  }

  Status finish() {
    if (status_) status_ = check_end();
    return status_;
  }

  uint64_t offset() const { return offset_; }
  uint64_t wanted() const { return data_left_ > 0 ? data_left_ : wanted_ - header_.size(); }

 private:
  size_t take_data(std::span<const std::byte> bytes) {
    auto piece = bytes.first(static_cast<size_t>(std::min<uint64_t>(bytes.size(), data_left_)));
    status_ = visitor_.on_data(offset_, piece);
    offset_ += piece.size();
    data_left_ -= piece.size();
    if (status_ && data_left_ == 0) status_ = visitor_.on_packet_end(offset_);
    return piece.size();
  }

  size_t take_header(std::span<const std::byte> bytes) {
    auto piece = bytes.first(std::min(bytes.size(), wanted_ - header_.size()));
    header_.insert(header_.end(), piece.begin(), piece.end());
    offset_ += piece.size();
    if (header_.size() == wanted_) status_ = read_header();
    return piece.size();
  }

  Status read_header() {
    if (!begun_) return read_initial();
    if (wanted_ == wire::kMultifdFrontBytes) {
      auto length = multifd_header_bytes(header_, start(), page_bytes_);
      if (!length) return length.error();
      wanted_ = *length;
      return ok();
    }
    return read_packet();
  }

  Status read_initial() {
    std::vector<Problem> problems;
    auto initial = read_multifd_initial(header_, problems);
    if (!initial) return initial.error();
    begun_ = true;
    next_header();
    if (auto seen = visitor_.on_initial(*initial); !seen) return seen;
    return tell(problems);
  }

  Status read_packet() {
    MultifdHeader header;
    if (auto read = read_multifd_header(header_, start(), page_bytes_, header); !read) return read;
    next_header();
    data_left_ = header.packet.data_bytes;
    if (auto seen = visitor_.on_packet(header.packet); !seen) return seen;
    if (auto told = tell(header.problems); !told) return told;
    return data_left_ == 0 ? visitor_.on_packet_end(offset_) : ok();
  }

  Status tell(const std::vector<Problem>& problems) {
    for (const Problem& problem : problems) {
      if (auto told = visitor_.on_problem(problem); !told) return told;
    }
    return ok();
  }

  void next_header() {
    header_.clear();
    wanted_ = wire::kMultifdFrontBytes;
  }

  Status check_end() const {
    if (!begun_) return cut("initial packet", header_.size(), wanted_);
    if (data_left_ > 0) {
      return Error{Errc::Truncated,
                   fmt::format("the channel ends within a packet: {} bytes of its data are missing",
                               data_left_),
                   offset_};
    }
    return header_.empty() ? ok() : Status(cut("header of a packet", header_.size(), wanted_));
  }

  Error cut(std::string_view what, size_t found, size_t wanted) const {
    return Error{
        Errc::Truncated,
        fmt::format("the channel ends within the {}: {} bytes, wanted {}", what, found, wanted),
        offset_};
  }

  uint64_t start() const { return offset_ - header_.size(); }

  MultifdVisitor& visitor_;
  uint32_t page_bytes_;
  Status status_ = ok();
  uint64_t offset_ = 0;
  bool begun_ = false;             // the initial packet has been read
  std::vector<std::byte> header_;  // as much as has come of it
  size_t wanted_;                  // bytes of it, as far as that is known
  uint64_t data_left_ = 0;
};

MultifdReader::MultifdReader(MultifdVisitor& visitor, uint32_t page_bytes)
    : impl_(std::make_unique<Impl>(visitor, page_bytes)) {}
MultifdReader::~MultifdReader() = default;
MultifdReader::MultifdReader(MultifdReader&&) noexcept = default;

Status MultifdReader::feed(std::span<const std::byte> bytes) {
  return impl_->feed(bytes);
}

Status MultifdReader::finish() {
  return impl_->finish();
}

uint64_t MultifdReader::offset() const {
  return impl_->offset();
}

uint64_t MultifdReader::wanted() const {
  return impl_->wanted();
}

}  // namespace vmstream
