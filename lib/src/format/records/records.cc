// SPDX-License-Identifier: MIT
#include "format/records/records.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include <vmstream/text.h>
#include "base/endian.h"
#include "format/wire.h"

namespace vmstream {
namespace {

constexpr std::string_view kPageBits = "configuration/target-page-bits";
constexpr std::string_view kCapabilities = "configuration/capabilities";
constexpr std::string_view kUuid = "configuration/uuid";
constexpr uint32_t kConfigurationVersion = 1;
constexpr uint32_t kMinPageBits = 8;
constexpr uint32_t kMaxPageBits = 16;

std::byte type_byte(SectionType type) {
  return static_cast<std::byte>(type);
}

// Whether the byte that comes next is `wanted`; a missing one counts as a short read.
bool next_is(ByteReader& in, SectionType wanted) {
  ByteReader ahead = in;
  auto found = ahead.be<uint8_t>("the record behind the configuration");
  if (!ahead.ok()) in = ahead;
  return ahead.ok() && found == static_cast<uint8_t>(wanted);
}

std::vector<std::string> read_capabilities(ByteReader& in, const ParseLimits& limits) {
  std::vector<std::string> names;
  auto count = in.be<uint32_t>("capability count");
  if (in.ok() && count > limits.capabilities) {
    in.fail(Errc::Malformed, in.last_offset(),
            fmt::format("configuration lists {} capabilities, at most {} are accepted", count,
                        limits.capabilities));
  }
  for (uint32_t i = 0; in.ok() && i < count; ++i)
    names.emplace_back(in.counted_string("capability"));
  return names;
}

std::array<std::byte, 16> read_uuid(ByteReader& in) {
  std::array<std::byte, 16> uuid{};
  std::ranges::copy(in.bytes(uuid.size(), "uuid"), uuid.begin());
  return uuid;
}

uint32_t read_page_bits(ByteReader& in) {
  auto bits = in.be<uint32_t>("target page bits");
  if (in.ok() && (bits < kMinPageBits || bits > kMaxPageBits)) {
    in.fail(Errc::Malformed, in.last_offset(),
            fmt::format("{} target page bits, wanted {} to {}", bits, kMinPageBits, kMaxPageBits));
  }
  return bits;
}

void read_configuration_subsection(ByteReader& in, const ParseLimits& limits, Configuration& into,
                                   uint32_t& highest_version) {
  uint64_t at = in.offset();
  in.be<uint8_t>("subsection type");
  auto name = in.counted_string("subsection name");
  auto version = in.be<uint32_t>("subsection version");
  if (!in.ok()) return;
  highest_version = std::max(highest_version, version);
  if (version % 256 != kConfigurationVersion) {
    in.fail(Errc::Unsupported, in.last_offset(),
            fmt::format("subsection '{}' has version {}, wanted {}", escape(name), version,
                        kConfigurationVersion));
  } else if (name == kPageBits && !into.target_page_bits && !into.capabilities && !into.uuid) {
    into.target_page_bits = read_page_bits(in);
  } else if (name == kCapabilities && !into.capabilities && !into.uuid) {
    into.capabilities = read_capabilities(in, limits);
  } else if (name == kUuid && !into.uuid) {
    into.uuid = read_uuid(in);
  } else {
    in.fail(Errc::Unsupported, at,
            fmt::format("configuration subsection '{}' is not known at this place", escape(name)));
  }
}

Status append_subsection_header(Bytes& out, std::string_view name) {
  out.push_back(type_byte(SectionType::Subsection));
  if (auto status = append_counted_string(out, name); !status) return status;
  append_be(out, kConfigurationVersion);
  return ok();
}

}  // namespace

void append_bytes(Bytes& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

Status append_counted_string(Bytes& out, std::string_view text) {
  if (text.size() > 255) {
    return Error{Errc::Usage, fmt::format("a name of {} bytes, at most 255 fit", text.size())};
  }
  append_be(out, static_cast<uint8_t>(text.size()));
  append_bytes(out, std::as_bytes(std::span(text)));
  return ok();
}

StreamHeader read_stream_header(ByteReader& in) {
  StreamHeader header;
  auto magic = in.be<uint32_t>("magic");
  if (in.ok() && magic != kStreamMagic) {
    in.fail(Errc::Malformed, in.last_offset(),
            fmt::format("magic is {:#010x}, wanted {:#010x} (QEVM)", magic, kStreamMagic));
  }
  header.version = in.be<uint32_t>("stream version");
  if (in.ok() && (header.version < 1 || header.version > 3)) {
    in.fail(Errc::Unsupported, in.last_offset(),
            fmt::format("stream version is {}, wanted 1 to 3", header.version));
  }
  if (in.ok() && header.version == 2) header.record_bytes = in.be<uint64_t>("stream length");
  return header;
}

void append_stream_header(Bytes& out, const StreamHeader& header) {
  append_be(out, kStreamMagic);
  append_be(out, header.version);
  if (header.record_bytes) append_be(out, *header.record_bytes);
}

Configuration read_configuration(ByteReader& in, const ParseLimits& limits,
                                 uint32_t* subsection_version) {
  Configuration configuration;
  uint32_t highest_version = kConfigurationVersion;
  configuration.offset = in.offset();
  in.be<uint8_t>("record type");
  auto length = in.be<uint32_t>("machine type length");
  if (in.ok() && length > limits.machine_name_bytes) {
    in.fail(Errc::Malformed, in.last_offset(),
            fmt::format("machine type of {} bytes, at most {} are accepted", length,
                        limits.machine_name_bytes));
  }
  auto name = in.bytes(in.ok() ? length : 0, "machine type");
  configuration.machine.assign(reinterpret_cast<const char*>(name.data()), name.size());
  while (next_is(in, SectionType::Subsection)) {
    read_configuration_subsection(in, limits, configuration, highest_version);
  }
  if (subsection_version) *subsection_version = highest_version;
  configuration.length = in.offset() - configuration.offset;
  return configuration;
}

Status append_configuration(Bytes& out, const Configuration& configuration) {
  out.push_back(type_byte(SectionType::Configuration));
  append_be(out, static_cast<uint32_t>(configuration.machine.size()));
  append_bytes(out, std::as_bytes(std::span(configuration.machine)));
  if (configuration.target_page_bits) {
    if (auto status = append_subsection_header(out, kPageBits); !status) return status;
    append_be(out, *configuration.target_page_bits);
  }
  if (configuration.capabilities) {
    if (auto status = append_subsection_header(out, kCapabilities); !status) return status;
    append_be(out, static_cast<uint32_t>(configuration.capabilities->size()));
    for (const std::string& name : *configuration.capabilities) {
      if (auto status = append_counted_string(out, name); !status) return status;
    }
  }
  if (configuration.uuid) {
    if (auto status = append_subsection_header(out, kUuid); !status) return status;
    append_bytes(out, *configuration.uuid);
  }
  return ok();
}

SectionHeader read_section_header(ByteReader& in) {
  SectionHeader header;
  header.offset = in.offset();
  header.type = static_cast<SectionType>(in.be<uint8_t>("record type"));
  header.section_id = in.be<uint32_t>("section id");
  if (header.type == SectionType::Start || header.type == SectionType::Full) {
    header.idstr = in.counted_string("idstr");
    if (in.ok() && header.idstr.empty()) {
      in.fail(Errc::Malformed, in.last_offset(),
              fmt::format("section id {} has an empty idstr", header.section_id));
    }
    header.instance_id = in.be<uint32_t>("instance id");
    header.version_id = in.be<uint32_t>("version id");
  }
  header.body_offset = in.offset();
  return header;
}

Status append_section_header(Bytes& out, const SectionHeader& header) {
  out.push_back(type_byte(header.type));
  append_be(out, header.section_id);
  if (header.type == SectionType::Start || header.type == SectionType::Full) {
    if (auto status = append_counted_string(out, header.idstr); !status) return status;
    append_be(out, header.instance_id);
    append_be(out, header.version_id);
  }
  return ok();
}

std::string place_of(const SectionHeader& header) {
  return fmt::format("section '{}' (id {})", escape(header.idstr), header.section_id);
}

SectionHeader read_legacy_header(ByteReader& in, uint32_t& body_bytes) {
  SectionHeader header;
  header.offset = in.offset();
  header.idstr = in.counted_string("record name");
  header.instance_id = in.be<uint32_t>("instance id");
  header.version_id = in.be<uint32_t>("version id");
  body_bytes = in.be<uint32_t>("record length");
  header.body_offset = in.offset();
  return header;
}

Status append_legacy_header(Bytes& out, const SectionHeader& header, uint32_t body_bytes) {
  if (auto status = append_counted_string(out, header.idstr); !status) return status;
  append_be(out, header.instance_id);
  append_be(out, header.version_id);
  append_be(out, body_bytes);
  return ok();
}

Command read_command(ByteReader& in) {
  Command command;
  command.offset = in.offset();
  in.be<uint8_t>("record type");
  command.type = static_cast<CommandType>(in.be<uint16_t>("command"));
  auto length = in.be<uint16_t>("command length");
  command.payload = in.bytes(length, "command payload");
  if (!in.ok() || command.type != CommandType::Packaged) return command;
  if (length != 4) {
    in.fail(Errc::Malformed, command.offset,
            fmt::format("PACKAGED command has {} bytes, wanted 4", length));
    return command;
  }
  command.package_length = load_be<uint32_t>(command.payload.data());
  return command;
}

Status append_command(Bytes& out, const Command& command) {
  if (command.payload.size() > 0xffff) {
    return Error{Errc::Usage,
                 fmt::format("a command of {} bytes, at most 65535 fit", command.payload.size())};
  }
  out.push_back(type_byte(SectionType::Command));
  append_be(out, static_cast<uint16_t>(command.type));
  append_be(out, static_cast<uint16_t>(command.payload.size()));
  append_bytes(out, command.payload);
  return ok();
}

void append_footer(Bytes& out, uint32_t section_id) {
  out.push_back(type_byte(SectionType::Footer));
  append_be(out, section_id);
}

}  // namespace vmstream
