// SPDX-License-Identifier: MIT
#include "state/multifd/page_channel.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include <vmstream/text.h>
#include "format/ram/ram_records.h"

namespace vmstream {

PageChannel::PageChannel(std::unique_ptr<ByteSource> source, CommonFacts& common)
    : source_(std::move(source)),
      checks_(common, facts_,
              [this](std::span<const std::byte> plain) { append_bytes(packet_.plain, plain); }),
      reader_(*this, common.main.page_bytes()),
      page_bytes_(common.main.page_bytes()) {}

Status PageChannel::begin() {
  while (!begun_ && !ended_) {
    if (auto read = read_piece(); !read) return read;
  }
  return ended_ ? ok() : advance();
}

Status PageChannel::advance() {
  is_whole_ = false;
  while (!is_whole_ && !ended_) {
    if (auto read = read_piece(); !read) return read;
  }
  return ok();
}

// Never beyond the packet.
Status PageChannel::read_piece() {
  constexpr uint64_t kPieceBytes = 256 * 1024;
  buffer_.resize(static_cast<size_t>(std::min(reader_.wanted(), kPieceBytes)));
  auto count = read_fully(*source_, buffer_);
  if (!count) return count.error();
  facts_.plain_bytes += *count;
  if (auto fed = reader_.feed(std::span(buffer_).first(*count)); !fed) return fed;
  if (*count < buffer_.size()) {
    ended_ = true;
    if (auto whole = reader_.finish(); !whole) return whole;
  }
  return check_facts();
}

Status PageChannel::check_facts() const {
  const Problem* problem = facts_.problems.first(LoadEffect::Refused);
  return problem ? Status(Error{Errc::Malformed, problem->message, problem->offset}) : ok();
}

Status PageChannel::on_initial(const MultifdInitial& initial) {
  begun_ = true;
  return checks_.on_initial(initial);
}

Status PageChannel::on_packet(const MultifdPacket& packet) {
  if (packet.has_device_state()) {
    return Error{Errc::Unsupported,
                 fmt::format("a packet with the state of device '{}', which no stream of one "
                             "connection has",
                             escape(packet.device)),
                 packet.offset};
  }
  bool is_read = packet.method == MultifdMethod::None || is_unpacked(packet.method);
  if (!packet.pages.empty() && !is_read) {
    return Error{
        Errc::Unsupported,
        fmt::format("pages packed by {}, wanted none, zlib or zstd", name_of(packet.method)),
        packet.offset};
  }
  packet_ = {.number = packet.number, .sync = packet.sync};
  if (!packet.is_empty()) {
    packet_.block = packet.block;
    packet_.pages.assign(packet.pages.begin(), packet.pages.end());
    packet_.zeros.assign(packet.zeros.begin(), packet.zeros.end());
  }
  return checks_.on_packet(packet);
}

Status PageChannel::on_data(uint64_t offset, std::span<const std::byte> bytes) {
  return checks_.on_data(offset, bytes);
}

Status PageChannel::on_packet_end(uint64_t offset) {
  is_whole_ = true;
  return checks_.on_packet_end(offset);
}

Status PageChannel::on_problem(const Problem& problem) {
  return checks_.on_problem(problem);
}

Status PageChannel::append_pages(Bytes& out) const {
  RamBlock block{.name = packet_.block};
  Page page{.block = &block, .size = page_bytes_};
  auto append = [&](uint64_t offset, PageKind kind, std::span<const std::byte> payload) {
    page.block_offset = offset;
    page.kind = kind;
    page.payload = payload;
    auto appended = append_page(out, page);
    page.continued = true;
    return appended;
  };
  std::span<const std::byte> plain(packet_.plain);
  for (uint64_t offset : packet_.pages) {
    auto appended = append(offset, PageKind::Data, plain.first(page_bytes_));
    if (!appended) return appended;
    plain = plain.subspan(page_bytes_);
  }
  for (uint64_t offset : packet_.zeros) {
    if (auto appended = append(offset, PageKind::Zero, {}); !appended) return appended;
  }
  return ok();
}

}  // namespace vmstream
