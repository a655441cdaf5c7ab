// SPDX-License-Identifier: MIT
#include "format/stream/stream_tail.h"

#include <fmt/format.h>

namespace vmstream {

Result<Step> StreamTail::take_eof(const Window& window) {
  eof_offset_ = window.offset;
  stream_end_ = window.offset + 1;
  if (auto status = visitor_.on_eof(window.offset); !status) return status.error();
  return Step{1, 0};
}

void StreamTail::take_up_vmdesc(uint64_t offset) {
  eof_offset_ = offset - 1;
  stream_end_ = offset;
}

void StreamTail::end_stream(uint64_t offset) {
  stream_end_ = offset;
  trailing_ = true;
}

Result<Step> StreamTail::step(const Window& window) {
  return trailing_ ? take_trailing(window) : take_vmdesc(window);
}

Result<Step> StreamTail::take_vmdesc(const Window& window) {
  if (window.bytes.empty()) return Step{0, 1};
  if (static_cast<SectionType>(window.bytes[0]) != SectionType::Vmdescription) {
    trailing_ = true;
    return Step{};
  }
  ByteReader in(window.bytes, window.offset);
  in.be<uint8_t>("record type");
  auto length = in.be<uint32_t>("vmdesc length");
  if (in.ok() && length > limits_.vmdesc_bytes) {
    return Error{
        Errc::Unsupported,
        fmt::format("vmdesc of {} bytes, at most {} are kept", length, limits_.vmdesc_bytes),
        window.offset};
  }
  auto text = in.bytes(length, "vmdesc");
  if (!in.ok()) return short_read(in, window);
  VmdescRecord record{window.offset, {reinterpret_cast<const char*>(text.data()), text.size()}};
  end_stream(in.offset());
  if (auto status = check_description(record); !status) return status.error();
  if (auto status = visitor_.on_vmdesc(record); !status) return status.error();
  return Step{consumed_by(in, window), 0};
}

Status StreamTail::check_description(const VmdescRecord& record) {
  auto description = Vmdesc::parse(record.json);
  if (!description) {
    return visitor_.on_problem({record.offset, description.error().message});
  }
  if (description->page_size() != ram_.page_size()) {
    auto seen = visitor_.on_problem(
        {record.offset, fmt::format("vmdesc gives target pages of {} bytes, the stream has {}",
                                    description->page_size(), ram_.page_size())});
    if (!seen) return seen;
  }
  return bounds_.check_inferred(*description);
}

Result<Step> StreamTail::take_trailing(const Window& window) {
  if (window.bytes.empty()) return Step{0, 1};
  if (auto seen = visitor_.on_trailing(window.offset, window.bytes); !seen) return seen.error();
  return Step{window.bytes.size(), 0};
}

}  // namespace vmstream
