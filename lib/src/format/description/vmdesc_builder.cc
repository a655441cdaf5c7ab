// SPDX-License-Identifier: MIT
#include "format/description/vmdesc_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include <vmstream/text.h>
#include "format/description/description_flaws.h"

namespace vmstream {
namespace {

constexpr size_t kMaxNesting = 128;  // objects and arrays; a device's deepest struct takes 20
// Devices, fields and subsections, of 208 bytes each besides their text. A CPU of x86 has 116, so
// that there is room for the 4096 that QEMU can have.
constexpr size_t kMaxEntries = 1 << 19;

}  // namespace

std::vector<VmdescField>* VmdescBuilder::Frame::fields() const {
  if (device) return &device->fields;
  if (field) return &field->fields;
  return subsection ? &subsection->fields : nullptr;
}

std::vector<VmdescSubsection>* VmdescBuilder::Frame::subsections() const {
  if (device) return &device->subsections;
  if (field) return &field->subsections;
  return subsection ? &subsection->subsections : nullptr;
}

std::string* VmdescBuilder::Frame::vmsd_name() const {
  if (device) return &device->vmsd_name;
  if (field) return &field->vmsd_name;
  return subsection ? &subsection->vmsd_name : nullptr;
}

uint64_t* VmdescBuilder::Frame::version() const {
  if (device) return &device->version;
  if (field) return &field->version;
  return subsection ? &subsection->version : nullptr;
}

bool VmdescBuilder::refuse(std::string reason) {
  if (error.empty()) error = std::move(reason);
  return false;
}

bool VmdescBuilder::value() {
  return !open_.empty() || refuse("it is no object");
}

bool VmdescBuilder::push(Frame frame) {
  if (open_.size() == kMaxNesting) {
    return refuse(fmt::format("it is nested deeper than {} levels", kMaxNesting));
  }
  open_.push_back(std::move(frame));
  return true;
}

void VmdescBuilder::add_flaw(const std::string& flaw) {
  bool in_device = std::ranges::any_of(open_, [](const Frame& frame) { return frame.device; });
  if (in_device) devices.back().flawed = true;
  std::string place = in_device ? fmt::format("'{}': ", escape(devices.back().idstr)) : "";
  if (flaws.size() < Vmdesc::kFlawsKept) flaws.push_back(place + flaw);
}

// In what ends here.
void VmdescBuilder::look_for_flaw() {
  const Frame& frame = open_.back();
  std::optional<std::string> flaw;
  if (frame.in == In::Device) flaw = find_flaw(*frame.device);
  if (frame.in == In::Field) flaw = find_flaw(*frame.field);
  if (flaw) add_flaw(*flaw);
}

bool VmdescBuilder::pop() {
  look_for_flaw();
  if (open_.back().in == In::Device) ++whole_devices;
  open_.pop_back();
  return true;
}

bool VmdescBuilder::count_entry() {
  if (++entries_ <= kMaxEntries) return true;
  return refuse(fmt::format("it has more than {} entries", kMaxEntries));
}

bool VmdescBuilder::number_integer(number_integer_t number) {
  if (!value()) return false;
  // Some releases print the instance id as a signed number.
  if (open_.back().in == In::Device && open_.back().key == "instance_id" &&
      number >= std::numeric_limits<int32_t>::min()) {
    open_.back().device->instance_id = static_cast<uint32_t>(number);
    open_.back().device->numbered = true;
    return true;
  }
  return refuse(fmt::format("'{}' is {}, negative", escape(open_.back().key), number));
}

bool VmdescBuilder::number_unsigned(number_unsigned_t number) {
  if (!value()) return false;
  Frame& frame = open_.back();
  bool narrow = (frame.in == In::Top && frame.key == "page_size") ||
                (frame.in == In::Device && frame.key == "instance_id");
  if (narrow && number > std::numeric_limits<uint32_t>::max()) {
    return refuse(fmt::format("'{}' is {}, wider than 32 bits", escape(frame.key), number));
  }
  if (frame.in == In::Top && frame.key == "page_size") page_size = static_cast<uint32_t>(number);
  if (frame.in == In::Device && frame.key == "instance_id") {
    frame.device->instance_id = static_cast<uint32_t>(number);
    frame.device->numbered = true;
  }
  if (frame.key == "version" && frame.version()) *frame.version() = number;
  if (frame.in == In::Field) {
    if (frame.key == "size") {
      frame.field->size = number;
      frame.field->sized = true;
    }
    if (frame.key == "array_len") frame.field->array_len = number;
    if (frame.key == "index") frame.field->index = number;
  }
  return true;
}

bool VmdescBuilder::string(string_t& text) {
  if (!value()) return false;
  Frame& frame = open_.back();
  if (frame.key == "vmsd_name" && frame.vmsd_name()) *frame.vmsd_name() = text;
  if (frame.in == In::Device && frame.key == "name") frame.device->idstr = text;
  if (frame.in == In::Field) {
    if (frame.key == "name") frame.field->name = text;
    if (frame.key == "type") frame.field->type = text;
  }
  return true;
}

bool VmdescBuilder::start_object(size_t) {
  if (open_.empty()) return push({.in = In::Top});
  Frame frame;
  const Frame& parent = open_.back();
  if (parent.in == In::Devices) {
    frame = {.in = In::Device, .device = &devices.emplace_back()};
  } else if (parent.in == In::Fields) {
    frame = {.in = In::Field, .field = &parent.fields()->emplace_back()};
  } else if (parent.in == In::Subsections) {
    frame = {.in = In::Subsection, .subsection = &parent.subsections()->emplace_back()};
  } else if (parent.in == In::Field && parent.key == "struct") {
    frame = {.in = In::Struct, .field = parent.field};
  }
  if (frame.in != In::Other && frame.in != In::Struct && !count_entry()) return false;
  return push(std::move(frame));
}

bool VmdescBuilder::key(string_t& name) {
  open_.back().key = name;
  if (is_misspelt_key(name)) add_flaw(fmt::format("no QEMU writes the key '{}'", escape(name)));
  return true;
}

bool VmdescBuilder::end_object() {
  return pop();
}

bool VmdescBuilder::start_array(size_t) {
  if (!value()) return false;
  Frame frame = open_.back();  // an array's elements go to the owner of the object around it
  if (frame.in == In::Top && frame.key == "devices") {
    frame.in = In::Devices;
  } else if (frame.key == "fields" && frame.fields() && frame.in != In::Fields) {
    if (frame.in == In::Field) {
      frame.field->elements.push_back({frame.fields()->size(), frame.subsections()->size()});
    }
    frame.in = In::Fields;
  } else if (frame.key == "subsections" && frame.subsections() && frame.in != In::Subsections) {
    frame.in = In::Subsections;
  } else {
    frame = Frame{};
  }
  frame.key.clear();
  return push(std::move(frame));
}

bool VmdescBuilder::end_array() {
  return pop();
}

bool VmdescBuilder::parse_error(size_t position, const std::string&,
                                const nlohmann::json::exception&) {
  return refuse(fmt::format("it is no JSON from byte {} on", position));
}

}  // namespace vmstream
