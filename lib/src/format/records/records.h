// SPDX-License-Identifier: MIT
// The small records of a stream, read and written: header, configuration, section heads, footers
// and commands. Each reader takes one whole record; when its bytes are short the ByteReader says
// Truncated and the record is read again from its start later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <vmstream/format.h>
#include <vmstream/parser.h>
#include "base/byte_reader.h"

namespace vmstream {

using Bytes = std::vector<std::byte>;

StreamHeader read_stream_header(ByteReader& in);
void append_stream_header(Bytes& out, const StreamHeader& header);

/// From the type byte on. Looks one byte ahead: only the record behind tells that this one ended.
/// `subsection_version`, where wanted, becomes the highest one of its subsections, of which QEMU
/// looks at the low byte only.
Configuration read_configuration(ByteReader& in, const ParseLimits& limits,
                                 uint32_t* subsection_version = nullptr);
Status append_configuration(Bytes& out, const Configuration& configuration);

/// From the type byte on; a PART or END yields its id alone.
SectionHeader read_section_header(ByteReader& in);
Status append_section_header(Bytes& out, const SectionHeader& header);

/// How messages name a section: "section 'timer' (id 3)".
std::string place_of(const SectionHeader& header);

/// A record of stream versions 1 and 2, shown as a FULL section. `body_bytes` is its length.
SectionHeader read_legacy_header(ByteReader& in, uint32_t& body_bytes);
Status append_legacy_header(Bytes& out, const SectionHeader& header, uint32_t body_bytes);

/// The length of a PACKAGED command's records is not included in the payload.
Command read_command(ByteReader& in);
Status append_command(Bytes& out, const Command& command);

void append_footer(Bytes& out, uint32_t section_id);

template <std::unsigned_integral T>
void append_be(Bytes& out, T value) {
  for (size_t i = sizeof(T); i-- > 0;) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}
void append_bytes(Bytes& out, std::span<const std::byte> bytes);
/// A length byte, then the text; longer than 255 bytes is an Errc::Usage error.
Status append_counted_string(Bytes& out, std::string_view text);

}  // namespace vmstream
