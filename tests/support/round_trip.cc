// SPDX-License-Identifier: MIT
#include "support/round_trip.h"

namespace testing {

using namespace vmstream;

Status RoundTrip::on_header(const StreamHeader& header) {
  counted_records_ = header.version < 3;
  return writer_.header(header);
}

Status RoundTrip::on_configuration(const Configuration& configuration) {
  return writer_.configuration(configuration);
}

Status RoundTrip::on_section(const SectionHeader& header) {
  return counted_records_ ? ok() : writer_.section(header);
}

Status RoundTrip::on_ram_blocks(const RamBlockList& list) {
  if (list.blocks.empty() || !list.blocks.back().mapped) return writer_.ram_blocks(list);
  if (list.blocks.size() == 1) {
    if (auto status = writer_.ram_total(list.total_bytes); !status) return status;
  }
  return writer_.ram_block(list.blocks.back());
}

Status RoundTrip::on_page(const Page& page) {
  return page.block && page.block->mapped ? writer_.body(page.payload) : writer_.page(page);
}

Status RoundTrip::on_ram_mark(RamMark mark, uint64_t) {
  return writer_.ram_mark(mark);
}

Status RoundTrip::on_body(uint64_t, std::span<const std::byte> body) {
  if (!counted_records_) return writer_.body(body);
  record_.insert(record_.end(), body.begin(), body.end());
  return ok();
}

Status RoundTrip::on_section_end(const SectionHeader& header, const SectionEnd& end) {
  if (!counted_records_) return end.footer ? writer_.footer(header.section_id) : ok();
  if (auto status = writer_.counted_record(header, record_); !status) return status;
  record_.clear();
  return ok();
}

Status RoundTrip::on_command(const Command& command) {
  return writer_.command(command);
}

Status RoundTrip::on_eof(uint64_t) {
  return writer_.eof();
}

Status RoundTrip::on_vmdesc(const VmdescRecord& record) {
  return writer_.vmdesc(record.json);
}

Status RoundTrip::on_trailing(uint64_t, std::span<const std::byte> trailing) {
  return writer_.body(trailing);
}

Status RoundTrip::on_problem(const Problem&) {
  may_differ = true;
  return ok();
}

}  // namespace testing
