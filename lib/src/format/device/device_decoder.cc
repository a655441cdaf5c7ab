// SPDX-License-Identifier: MIT
#include "format/device/device_decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <vmstream/format.h>
#include <vmstream/text.h>
#include "base/byte_reader.h"
#include "base/damaged_name.h"
#include "base/endian.h"
#include "format/description/device_value.h"
#include "format/layout/known_layout.h"
#include "format/wire.h"

namespace vmstream {
namespace {

constexpr uint8_t kMoreElements = 1;
constexpr uint8_t kNoMoreElements = 0;
constexpr uint64_t kPciLinesBytes = 16;

bool is_list(const VmdescField& field) {
  return field.type == "qtailq" || field.type == "qlist";
}

// An array of pointers whose first is NULL.
bool may_hide_elements(const VmdescField& field) {
  return field.array_len >= 2 && is_null_pointer(field) && field.type != "nullptr";
}

bool is_struct(const VmdescField& field) {
  return field.type == "struct" || field.type == "vstruct" || field.type == "tmp";
}

bool is_composite(const VmdescField& field) {
  return is_struct(field) || !field.elements.empty() || has_known_layout(field.type);
}

}  // namespace

DeviceDecoder::DeviceDecoder(const VmdescDevice& device, std::span<const std::byte> body,
                             uint64_t body_offset, DescriptionTrust trust)
    : device_(device), body_(body), body_offset_(body_offset), trust_(trust), end_(body.size()) {}

DeviceState DeviceDecoder::decode() {
  walk({device_.fields, device_.subsections}, state_.fields, state_.subsections);
  if (left() > 0) {
    report(offset(), fmt::format("{} bytes follow the last field described", left()));
    state_.covers_body = false;
    state_.fields.push_back(make_field(kUndescribed, "unknown", offset(), body_.subspan(pos_)));
  }
  return std::move(state_);
}

std::optional<uint64_t> DeviceDecoder::described_size(const FieldGroup& group) {
  uint64_t sum = 0;
  nodes_ += group.fields.size() + group.subsections.size();
  for (const VmdescField& field : group.fields) {
    uint64_t size = 0;
    if (__builtin_mul_overflow(field.size, field.array_len, &size)) return std::nullopt;
    if (__builtin_add_overflow(sum, size, &sum)) return std::nullopt;
  }
  for (const VmdescSubsection& subsection : group.subsections) {
    auto size = described_size({subsection.fields, subsection.subsections});
    if (!size || __builtin_add_overflow(sum, *size, &sum)) return std::nullopt;
    uint64_t frame = wire::kSubsectionHeaderBytes + subsection.vmsd_name.size();
    if (__builtin_add_overflow(sum, frame, &sum)) return std::nullopt;
  }
  return sum;
}

DeviceDecoder::FieldGroup DeviceDecoder::element_of(const VmdescField& field, size_t number) {
  const VmdescElement& first = field.elements[number];
  VmdescElement behind{field.fields.size(), field.subsections.size()};
  if (number + 1 < field.elements.size()) behind = field.elements[number + 1];
  return {
      std::span(field.fields).subspan(first.first_field, behind.first_field - first.first_field),
      std::span(field.subsections)
          .subspan(first.first_subsection, behind.first_subsection - first.first_subsection)};
}

void DeviceDecoder::walk(const FieldGroup& group, std::vector<DeviceField>& fields,
                         std::vector<DeviceSubsection>& subsections) {
  RestSize rest;
  for (size_t i = 0; i < group.fields.size(); ++i) {
    const VmdescField& field = group.fields[i];
    if (may_hide_elements(field) && !rest.known) {
      rest = {true, described_size({group.fields.subspan(i), group.subsections})};
    }
    path_.push_back(field.name);
    bool whole = walk_hidden_elements(field, rest.bytes, fields) || walk_field(field, fields);
    path_.pop_back();
    if (!whole) return;
    if (rest.bytes) *rest.bytes -= field.size * field.array_len;
  }
  for (const VmdescSubsection& subsection : group.subsections) {
    walk_subsection(subsection, subsections);
  }
}

// False where the bytes end before the field does: nothing behind it can be there.
bool DeviceDecoder::walk_field(const VmdescField& field, std::vector<DeviceField>& into) {
  if (field.array_len == 0) {
    ++nodes_;
    return true;
  }
  if (field.array_len > 1) return walk_array(field, into);
  if (field.size > left()) {
    report(offset(), fmt::format("it is described with {} bytes, {} are left", field.size, left()));
    if (left() > 0) add(into, node(field, left()));
    return false;
  }
  DeviceField decoded = decode_one(field);
  decoded.index = field.index;
  add(into, std::move(decoded));
  return true;
}

bool DeviceDecoder::walk_array(const VmdescField& field, std::vector<DeviceField>& into) {
  uint64_t fitting = field.size == 0 ? field.array_len : left() / field.size;
  uint64_t count = std::min(field.array_len, fitting);
  bool whole = count == field.array_len;
  if (!whole) {
    report(offset(), fmt::format("it is described with {} elements of {} bytes, {} bytes are left",
                                 field.array_len, field.size, left()));
  }
  bool composite = is_composite(field);
  if (count == 0) return whole;
  if (!composite || is_null_pointer(field) ||
      count > kDeviceNodes - std::min(nodes_, kDeviceNodes)) {
    if (composite && !is_null_pointer(field)) too_many_nodes();
    DeviceField array = node(field, count * field.size);
    array.kind = is_null_pointer(field) ? ValueKind::Null : scalar_kind(field.type, field.size);
    if (field.size > 0) array.array_len = count;  // no more than there are bytes
    check_scalar(array);
    add(into, std::move(array));
    return whole;
  }
  DeviceField list = node(field, 0);
  list.kind = ValueKind::List;
  list.vmsd_name = field.vmsd_name;
  for (uint64_t i = 0; i < count; ++i) {
    list.fields.push_back(decode_one(field));
    list.fields.back().index = i;
  }
  list.bytes = between(list.offset - body_offset_, pos_);
  add(into, std::move(list));
  return whole;
}

// The name of a subsection begins with that of what it is part of.
bool DeviceDecoder::is_better_name(std::string_view found, std::string_view described) const {
  return is_one_letter_off(found, described) && !device_.vmsd_name.empty() &&
         found.starts_with(device_.vmsd_name) && !described.starts_with(device_.vmsd_name);
}

void DeviceDecoder::walk_subsection(const VmdescSubsection& described,
                                    std::vector<DeviceSubsection>& into) {
  ++nodes_;
  ByteReader in(between(pos_, end_), offset());
  bool marked = in.be<uint8_t>("subsection") == static_cast<uint8_t>(SectionType::Subsection);
  std::string_view name = in.counted_string("name of the subsection");
  uint32_t version = in.be<uint32_t>("version of the subsection");
  bool is_hurt_in_description = in.ok() && marked && is_better_name(name, described.vmsd_name);
  if (is_hurt_in_description) {
    report(offset(),
           fmt::format("subsection '{}' is described as '{}'", escape(name),
                       escape(described.vmsd_name)),
           false, LoadEffect::Ignored);
  } else if (!in.ok() || !marked || name != described.vmsd_name) {
    if (trust_ == DescriptionTrust::Own) {
      std::string other =
          in.ok() && marked ? fmt::format(": found the name '{}'", escape(name)) : "";
      report(offset(), fmt::format("subsection '{}' is described, but does not stand here{}",
                                   escape(described.vmsd_name), other));
    }
    return;
  }
  if (version != described.version) {
    bool same_byte = version % 256 == described.version % 256;  // all that QEMU looks at
    report(offset(),
           fmt::format("subsection '{}' has version {}, described as {}",
                       escape(described.vmsd_name), version, described.version),
           false, same_byte ? LoadEffect::Ignored : LoadEffect::Refused);
  }
  uint64_t start = pos_;
  pos_ += in.offset() - offset();
  DeviceSubsection subsection{
      .name = described.vmsd_name, .version = version, .offset = body_offset_ + start};
  path_.push_back(described.vmsd_name);
  walk({described.fields, described.subsections}, subsection.fields, subsection.subsections);
  path_.pop_back();
  subsection.size = pos_ - start;
  into.push_back(std::move(subsection));
}

// The caller has checked that its bytes are there.
DeviceField DeviceDecoder::decode_one(const VmdescField& field) {
  if (is_null_pointer(field)) return decode_scalar(field);
  if (field.type == "pci irq state" && field.size == kPciLinesBytes)
    check_lines(between(pos_, pos_ + field.size));
  if (is_composite(field) && too_many_nodes()) return node(field, field.size);
  if (is_list(field)) return decode_list(field);
  if (field.type == "gtree") return decode_tree(field);
  if (const VmdescField* layout = known_layout(field)) {
    DeviceField opened = decode_struct(*layout);
    opened.built_in_layout = true;
    return opened;
  }
  bool described = !field.fields.empty() || !field.subsections.empty() || field.size == 0;
  return is_struct(field) && described ? decode_struct(field) : decode_scalar(field);
}

DeviceField DeviceDecoder::decode_scalar(const VmdescField& field) {
  DeviceField value = node(field, field.size);
  value.kind = scalar_kind(field.type, field.size);
  if (is_null_pointer(field)) value.kind = ValueKind::Null;
  check_scalar(value);
  return value;
}

// The inside of bytes that are described as mere bytes; null where nothing is known that fits them.
const VmdescField* DeviceDecoder::known_layout(const VmdescField& field) {
  bool is_old_device = device_.vmsd_name.empty() && path_.size() == 1;
  if (!is_old_device && !has_known_layout(field.type)) return nullptr;
  if (nodes_ > kDeviceNodes) return nullptr;
  auto bytes = between(pos_, pos_ + field.size);
  auto layout = is_old_device ? find_device_layout(field, bytes, device_.idstr)
                              : find_layout(field, bytes, device_.vmsd_name);
  if (!layout) return nullptr;
  return state_.layouts.emplace_back(std::move(layout)).get();
}

DeviceField DeviceDecoder::decode_struct(const VmdescField& field) {
  uint64_t start = pos_;
  DeviceField whole = node(field, field.size);
  whole.kind = ValueKind::Struct;
  whole.vmsd_name = field.vmsd_name;
  pos_ = start;
  uint64_t outer_end = std::exchange(end_, start + field.size);
  walk({field.fields, field.subsections}, whole.fields, whole.subsections);
  if (pos_ != end_) {
    report(offset(), fmt::format("it is described with {} bytes, its fields take {}", field.size,
                                 pos_ - start));
  }
  pos_ = start + field.size;
  end_ = outer_end;
  return whole;
}

// Elements that `take` steps through, then a byte 0; raw bytes where they are not as described.
template <typename Take>
DeviceField DeviceDecoder::decode_elements(const VmdescField& field, Take take) {
  uint64_t start = pos_;
  DeviceField whole = node(field, 0);
  uint64_t outer_end = std::exchange(end_, start + field.size);
  whole.kind = ValueKind::List;
  if (!take(whole) || !next_is(kNoMoreElements) || left() > 0) {
    report(offset(), "its elements do not agree with their description");
    whole = make_field(field.name, field.type, body_offset_ + start);
  }
  pos_ = start + field.size;
  end_ = outer_end;
  whole.bytes = between(start, pos_);
  return whole;
}

// Per element a byte 1 and the element.
DeviceField DeviceDecoder::decode_list(const VmdescField& field) {
  return decode_elements(field, [&](DeviceField& list) {
    bool good = true;
    for (size_t i = 0; good && i < field.elements.size(); ++i) {
      good = next_is(kMoreElements) && take_element(field, i, list);
    }
    return good;
  });
}

// be32 number of nodes; per node a byte 1, the key (be64, or described), the value.
DeviceField DeviceDecoder::decode_tree(const VmdescField& field) {
  return decode_elements(field, [&](DeviceField& tree) {
    ByteReader in(between(pos_, end_), offset());
    uint64_t count = in.be<uint32_t>("number of nodes");
    bool keys_described = field.elements.size() == 2 * count;
    bool good = in.ok() && (keys_described || field.elements.size() == count);
    pos_ = std::min(end_, pos_ + sizeof(uint32_t));
    for (size_t i = 0; good && i < field.elements.size(); ++i) {
      bool begins_node = !keys_described || i % 2 == 0;
      good = (!begins_node || next_is(kMoreElements)) &&
             (keys_described || take_key(field, tree)) && take_element(field, i, tree);
    }
    return good;
  });
}

bool DeviceDecoder::take_element(const VmdescField& field, size_t number, DeviceField& list) {
  FieldGroup group = element_of(field, number);
  auto size = described_size(group);
  if (!size || *size > left()) return false;
  uint64_t start = pos_;
  DeviceField element = node(field, 0);
  element.kind = ValueKind::Struct;
  element.type = "struct";
  walk(group, element.fields, element.subsections);
  element.bytes = between(start, pos_);
  append_elements(list, std::move(element));
  return true;
}

bool DeviceDecoder::take_key(const VmdescField& field, DeviceField& list) {
  constexpr uint64_t kKeyBytes = 8;
  if (left() < kKeyBytes) return false;
  DeviceField key = node(field, kKeyBytes);
  key.type = "uint64";
  key.kind = ValueKind::Unsigned;
  append_elements(list, std::move(key));
  return true;
}

bool DeviceDecoder::walk_hidden_elements(const VmdescField& field, std::optional<uint64_t> rest,
                                         std::vector<DeviceField>& into) {
  if (!may_hide_elements(field) || !rest || *rest >= left()) return false;
  uint64_t hidden = left() - *rest;
  report(offset(),
         fmt::format("pointers: {} bytes belong to elements that are not described", hidden), true);
  add(into, node(field, field.array_len + hidden));
  return true;
}

// Elements of an array may come in several entries of one name, each a run of equal ones.
void DeviceDecoder::add(std::vector<DeviceField>& into, DeviceField field) {
  bool continues = !into.empty() && into.back().name == field.name;
  if (!continues && !field.index) {
    into.push_back(std::move(field));
    return;
  }
  if (!continues || into.back().kind != ValueKind::List) {
    DeviceField list = make_field(field.name, field.type, field.offset);
    list.kind = ValueKind::List;
    list.vmsd_name = field.vmsd_name;
    if (continues) {
      list.offset = into.back().offset;
      append_elements(list, std::exchange(into.back(), {}));
      into.pop_back();
    }
    into.push_back(std::move(list));
  }
  append_elements(into.back(), std::move(field));
}

void DeviceDecoder::append_elements(DeviceField& list, DeviceField field) {
  uint64_t end = field.offset - body_offset_ + field.size();
  auto push = [&](DeviceField element) {
    element.index = list.fields.size();
    list.fields.push_back(std::move(element));
  };
  if (field.kind == ValueKind::List) {
    for (DeviceField& element : field.fields) push(std::move(element));
  } else if (field.array_len && nodes_ + *field.array_len <= kDeviceNodes) {
    nodes_ += *field.array_len;
    for (uint64_t i = 0; i < *field.array_len; ++i) push(field.element(i));
  } else {
    push(std::move(field));
  }
  list.bytes = between(list.offset - body_offset_, end);
}

void DeviceDecoder::check_scalar(const DeviceField& field) {
  if (field.kind == ValueKind::Boolean && field.type == "bool") {
    auto bad =
        std::ranges::find_if(field.bytes, [](std::byte byte) { return byte > std::byte{1}; });
    if (bad != field.bytes.end()) {
      report(field.offset + static_cast<uint64_t>(bad - field.bytes.begin()),
             fmt::format("it holds {}, wanted 0 or 1", std::to_integer<unsigned>(*bad)), false,
             LoadEffect::Ignored);  // QEMU takes any byte
    }
  }
  if (field.kind == ValueKind::Null) {
    auto bad = std::ranges::find_if(field.bytes, [](std::byte b) { return b != kNullPointer; });
    if (bad != field.bytes.end()) {
      report(field.offset + static_cast<uint64_t>(bad - field.bytes.begin()),
             fmt::format("it holds 0x{:02x}, wanted 0x30 for a pointer that is null",
                         std::to_integer<unsigned>(*bad)));
    }
  }
}

// QEMU takes a line of a PCI device for up or down.
void DeviceDecoder::check_lines(std::span<const std::byte> lines) {
  for (size_t at = 0; at + sizeof(uint32_t) <= lines.size(); at += sizeof(uint32_t)) {
    auto state = load_be<uint32_t>(lines.data() + at);
    if (state <= 1) continue;
    report(offset() + at, fmt::format("an interrupt line holds {}, wanted 0 or 1", state));
    return;
  }
}

// The cursor steps over it.
DeviceField DeviceDecoder::node(const VmdescField& field, uint64_t size) {
  ++nodes_;
  auto made = make_field(field.name, field.type, offset(), between(pos_, pos_ + size));
  pos_ += size;
  return made;
}

std::span<const std::byte> DeviceDecoder::between(uint64_t start, uint64_t end) const {
  return body_.subspan(start, end - start);
}

bool DeviceDecoder::next_is(uint8_t byte) {
  if (left() == 0 || body_[pos_] != std::byte{byte}) return false;
  ++pos_;
  return true;
}

bool DeviceDecoder::too_many_nodes() {
  if (nodes_ <= kDeviceNodes) return false;
  report(offset(),
         fmt::format("there are more than {} fields: the rest is shown as bytes", kDeviceNodes));
  return true;
}

void DeviceDecoder::report(uint64_t at, std::string message, bool known_flaw, LoadEffect effect) {
  if (!known_flaw) state_.covers_body = false;
  if (state_.problems.size() == kDeviceProblems) return;
  std::string place = fmt::format("device '{}'", escape(device_.idstr));
  if (!path_.empty())
    place += fmt::format(": field '{}'", escape(fmt::format("{}", fmt::join(path_, "."))));
  state_.problems.push_back({at, fmt::format("{}: {}", place, message), known_flaw, effect});
}

}  // namespace vmstream
