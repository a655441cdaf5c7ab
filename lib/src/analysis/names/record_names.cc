// SPDX-License-Identifier: MIT
#include "analysis/names/record_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include <vmstream/device_state.h>
#include <vmstream/text.h>
#include "format/wire.h"

namespace vmstream {
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

namespace {

/// Names a body that its description fits.
class FieldNames {
 public:
  FieldNames(StretchWriter& out, const KeptDevice& device)
      : out_(out), body_(device.body), body_offset_(device.header.body_offset) {}

  void name_all(const VmdescDevice& described);

 private:
  void name_field(const std::string& prefix, const DeviceField& field);
  void name_subsections(const std::string& prefix, const std::vector<DeviceSubsection>& list);
  void name_frame(uint64_t end, const std::string& of);
  size_t position(uint64_t offset) const { return static_cast<size_t>(offset - body_offset_); }

  StretchWriter& out_;
  std::span<const std::byte> body_;
  uint64_t body_offset_;
};

void FieldNames::name_all(const VmdescDevice& described) {
  DeviceState state = decode_device(described, body_, body_offset_);
  for (const DeviceField& field : state.fields) {
    if (field.name != kUndescribed) name_field("", field);
  }
  name_subsections("", state.subsections);
  auto rest = body_.subspan(std::min(position(out_.offset()), body_.size()));
  out_.bytes(rest, ByteKind::Body,
             state.problems.empty() ? std::string(kUndescribed)
                                    : "not as described: " + state.problems.front().message);
}

// Every field of its own, those of structs and the elements of lists too.
void FieldNames::name_field(const std::string& prefix, const DeviceField& field) {
  std::string path = prefix + escape(field.name);
  if (field.index) path += fmt::format("[{}]", *field.index);
  name_frame(field.offset, path);
  if (!field.is_composite()) {
    out_.bytes(field.bytes, ByteKind::Body, fmt::format("{} ({})", path, escape(field.type)));
    return;
  }
  bool list = field.kind == ValueKind::List;
  for (const DeviceField& inner : field.fields) name_field(list ? prefix : path + ".", inner);
  name_subsections(path + ".", field.subsections);
  name_frame(field.offset + field.size(), path);
}

void FieldNames::name_subsections(const std::string& prefix,
                                  const std::vector<DeviceSubsection>& list) {
  constexpr size_t kHeadBytes = 1 + 1 + 4;  // and the name
  for (const DeviceSubsection& subsection : list) {
    std::string path = prefix + escape(subsection.name);
    out_.bytes(body_.subspan(position(subsection.offset), kHeadBytes + subsection.name.size()),
               ByteKind::Frame, path + " (subsection)");
    for (const DeviceField& field : subsection.fields) name_field(path + ": ", field);
    name_subsections(prefix, subsection.subsections);
  }
}

// Counts and marks around the elements of lists are no fields.
void FieldNames::name_frame(uint64_t end, const std::string& of) {
  if (out_.offset() >= end) return;
  out_.bytes(body_.subspan(position(out_.offset()), static_cast<size_t>(end - out_.offset())),
             ByteKind::Frame, "around the elements of " + of);
}

}  // namespace

void name_device_body(StretchWriter& out, const KeptDevice& device, const Vmdesc* vmdesc) {
  const SectionHeader& header = device.header;
  const VmdescDevice* described = vmdesc ? vmdesc->find(header.idstr, header.instance_id) : nullptr;
  if (!device.kept) {
    out.count(device.end.body_length, ByteKind::Body, "body, too large to be kept");
  } else if (described && described->body_length() == device.body.size()) {
    FieldNames(out, device).name_all(*described);
  } else {
    out.bytes(device.body, ByteKind::Body,
              fmt::format("body of '{}', not described", escape(header.idstr)));
  }
}

}  // namespace vmstream
