// SPDX-License-Identifier: MIT
#include "analysis/names/device_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include <vmstream/device_state.h>
#include <vmstream/text.h>
#include "format/wire.h"

namespace vmstream::analysis {
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
  for (const DeviceSubsection& subsection : list) {
    std::string path = prefix + escape(subsection.name);
    out_.bytes(body_.subspan(position(subsection.offset),
                             wire::kSubsectionHeaderBytes + subsection.name.size()),
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

}  // namespace vmstream::analysis
