// SPDX-License-Identifier: MIT
#include "analysis/names/record_names.h"

#include <fmt/format.h>

#include <vmstream/text.h>
#include "format/wire.h"

namespace vmstream::analysis {
namespace {

constexpr std::string_view kBetweenRecords = "between records";

void name_identity(StretchWriter& out, std::string_view what, const SectionHeader& header) {
  out.counted(what, header.idstr);
  out.number(header.instance_id, 4, fmt::format("instance id {}", header.instance_id));
  out.number(header.version_id, 4, fmt::format("version id {}", header.version_id));
}

void name_section_id(StretchWriter& out, const SectionHeader& header) {
  out.number(header.section_id, 4, fmt::format("section id {}", header.section_id));
}

void name_subsection_head(StretchWriter& out, std::string_view name) {
  out.record_type(SectionType::Subsection, "subsection");
  out.counted("name", name);
  out.number(1, 4, "version 1");
}

}  // namespace

void name_header(StretchWriter& out, const StreamHeader& header) {
  out.number(kStreamMagic, 4, "magic: QEVM", ByteKind::Frame);
  out.number(header.version, 4, fmt::format("stream version {}", header.version));
  if (!header.record_bytes) return;
  out.number(*header.record_bytes, 8, fmt::format("{} bytes follow", *header.record_bytes));
}

void name_configuration(StretchWriter& out, const Configuration& configuration) {
  out.record_type(SectionType::Configuration, "configuration");
  const std::string& machine = configuration.machine;
  out.number(machine.size(), 4, "length of machine type");
  out.bytes(std::as_bytes(std::span(machine)), ByteKind::Name,
            fmt::format("machine type '{}'", escape(machine)));
  if (auto bits = configuration.target_page_bits) {
    name_subsection_head(out, "configuration/target-page-bits");
    out.number(*bits, 4, fmt::format("pages of 2^{} bytes", *bits));
  }
  if (configuration.capabilities) {
    name_subsection_head(out, "configuration/capabilities");
    out.number(configuration.capabilities->size(), 4, "number of capabilities");
    for (const auto& name : *configuration.capabilities) out.counted("capability", name);
  }
  if (configuration.uuid) {
    name_subsection_head(out, "configuration/uuid");
    out.bytes(*configuration.uuid, ByteKind::Number, "UUID of the guest");
  }
}

void name_section_head(StretchWriter& out, const SectionHeader& header, uint32_t stream_version) {
  out.advance_to(header.offset, kBetweenRecords);
  out.set_section(&header);
  if (header.body_offset == header.offset) return;
  if (stream_version < wire::kSectionedVersion) {
    name_identity(out, "record name", header);
    out.count(header.body_offset - out.offset(), ByteKind::Number, "length of the body");
    return;
  }
  bool opens = header.type == SectionType::Start || header.type == SectionType::Full;
  out.record_type(header.type,
                  fmt::format("section type: {}{}", name_of(header.type),
                              opens ? "" : fmt::format(" of '{}'", escape(header.idstr))));
  name_section_id(out, header);
  if (opens) name_identity(out, "idstr", header);
}

void name_section_end(StretchWriter& out, const SectionHeader& header, const SectionEnd& end) {
  if (end.footer) {
    out.record_type(SectionType::Footer, "footer");
    name_section_id(out, header);
  }
  out.flush();
  out.set_section(nullptr);
}

void name_command(StretchWriter& out, const Command& command) {
  out.advance_to(command.offset, kBetweenRecords);
  auto number = static_cast<unsigned>(command.type);
  out.record_type(SectionType::Command, "command");
  out.number(number, 2, fmt::format("command {}: {}", number, name_of(command.type)));
  out.number(command.payload.size(), 2, "length of its payload");
  std::string meaning = command.package_length
                            ? fmt::format("{} bytes of records follow", *command.package_length)
                            : "payload of the command";
  out.bytes(command.payload, ByteKind::Number, std::move(meaning));
}

void name_eof(StretchWriter& out, uint64_t offset) {
  out.advance_to(offset, kBetweenRecords);
  out.record_type(SectionType::Eof, "end of the sections (EOF)");
}

void name_vmdesc(StretchWriter& out, const VmdescRecord& record) {
  out.advance_to(record.offset, kBetweenRecords);
  out.record_type(SectionType::Vmdescription, "vmdesc");
  out.number(record.json.size(), 4, fmt::format("{} bytes of JSON", record.json.size()));
  out.bytes(std::as_bytes(std::span(record.json)), ByteKind::Description,
            "description of the devices");
}

}  // namespace vmstream::analysis
