// SPDX-License-Identifier: MIT
// Walks the body of a device section along its description.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/device_state.h>

namespace vmstream {

/// Decodes one body. A cursor moves through it; each struct narrows what may be read to its own
/// size, and is left exactly at its described end, whatever was found within.
class DeviceDecoder {
 public:
  DeviceDecoder(const VmdescDevice& device, std::span<const std::byte> body, uint64_t body_offset,
                DescriptionTrust trust);

  DeviceState decode();

 private:
  // Fields and subsections that belong together: of a device, a struct, an element.
  struct FieldGroup {
    std::span<const VmdescField> fields;
    std::span<const VmdescSubsection> subsections;
  };
  // What the fields of a declaration that are still to come take: summed up once, where it is asked
  // for first, and kept up with from there on.
  struct RestSize {
    bool known = false;
    std::optional<uint64_t> bytes = std::nullopt;
  };
  // Bytes that `declaration` describes; nothing where they overflow. What it looks at counts as
  // nodes: elements of an array share their declaration, which is looked at for each.
  std::optional<uint64_t> described_size(const FieldGroup& group);
  static FieldGroup element_of(const VmdescField& field, size_t number);

  void walk(const FieldGroup& group, std::vector<DeviceField>& fields,
            std::vector<DeviceSubsection>& subsections);
  bool walk_field(const VmdescField& field, std::vector<DeviceField>& into);
  bool walk_array(const VmdescField& field, std::vector<DeviceField>& into);
  bool is_better_name(std::string_view found, std::string_view described) const;
  void walk_subsection(const VmdescSubsection& described, std::vector<DeviceSubsection>& into);
  DeviceField decode_one(const VmdescField& field);
  DeviceField decode_scalar(const VmdescField& field);
  const VmdescField* known_layout(const VmdescField& field);
  DeviceField decode_struct(const VmdescField& field);
  template <typename Take>
  DeviceField decode_elements(const VmdescField& field, Take take);
  DeviceField decode_list(const VmdescField& field);
  DeviceField decode_tree(const VmdescField& field);
  bool take_element(const VmdescField& field, size_t number, DeviceField& list);
  bool take_key(const VmdescField& field, DeviceField& list);
  // Elements that releases up to 9.2 do not describe; true where there were some. `rest` is what
  // the field and all behind it are described with, where that is known.
  bool walk_hidden_elements(const VmdescField& field, std::optional<uint64_t> rest,
                            std::vector<DeviceField>& into);

  void add(std::vector<DeviceField>& into, DeviceField field);
  void append_elements(DeviceField& list, DeviceField field);
  void check_scalar(const DeviceField& field);
  void check_lines(std::span<const std::byte> lines);

  DeviceField node(const VmdescField& field, uint64_t size);
  std::span<const std::byte> between(uint64_t start, uint64_t end) const;
  bool next_is(uint8_t byte);  // and steps over it if so
  bool too_many_nodes();
  uint64_t left() const { return end_ - pos_; }
  uint64_t offset() const { return body_offset_ + pos_; }
  void report(uint64_t at, std::string message, bool known_flaw = false,
              LoadEffect effect = LoadEffect::Refused);

  const VmdescDevice& device_;
  std::span<const std::byte> body_;
  uint64_t body_offset_;
  DescriptionTrust trust_;
  uint64_t pos_ = 0;
  uint64_t end_;
  uint64_t nodes_ = 0;
  std::vector<std::string_view> path_;  // of the field in hand, for messages
  DeviceState state_;
};

}  // namespace vmstream
