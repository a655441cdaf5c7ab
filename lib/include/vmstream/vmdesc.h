// SPDX-License-Identifier: MIT
// Which fields each device section holds: by the JSON description at the end of a stream, or by
// what a QEMU declares.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/format.h>
#include <vmstream/result.h>

namespace vmstream {

class VmdescBuilder;
struct VmdescSubsection;

/// Where the declaration of one element begins among the fields and subsections of a list or tree.
struct VmdescElement {
  size_t first_field = 0;
  size_t first_subsection = 0;
};

/// One field as described. Composite ones carry their own fields.
struct VmdescField {
  std::string name;
  std::string type;
  uint64_t size = 0;       ///< bytes of one element, nested subsections included
  bool sized = false;      ///< the description gives a size
  uint64_t array_len = 1;  ///< the entry stands for this many equal elements
  std::optional<uint64_t> index = std::nullopt;  ///< element number, in arrays written one by one
  std::string vmsd_name;                         ///< of a struct; empty otherwise
  uint64_t version = 0;
  std::vector<VmdescField> fields;
  std::vector<VmdescSubsection> subsections;
  /// Of types written into the field itself instead of a struct: one declaration in a "tmp" or
  /// "vstruct", one or two an element in a list or tree. Empty in every other field.
  std::vector<VmdescElement> elements;
};

/// Optional state of a device or a struct.
struct VmdescSubsection {
  std::string vmsd_name;  ///< the whole name, as on the wire
  uint64_t version = 0;
  std::vector<VmdescField> fields;
  std::vector<VmdescSubsection> subsections;
};

/// A device section, as described.
struct VmdescDevice {
  std::string idstr;
  uint32_t instance_id = 0;
  bool numbered = false;  ///< the description gives the instance id
  bool flawed = false;    ///< one of Vmdesc::flaws() is in it
  std::string vmsd_name;  ///< empty for old-style devices, one opaque buffer
  uint64_t version = 0;
  std::vector<VmdescField> fields;
  std::vector<VmdescSubsection> subsections;

  /// Bytes of the section's body by this description.
  uint64_t body_length() const;
  uint64_t field_count() const;       ///< nested ones not counted
  uint64_t subsection_count() const;  ///< of the device itself
  /// Whether body_length() is known to be wrong: releases from 2.3 to 9.2 describe an array of
  /// pointers by its first element, and where that is NULL nothing tells the size of the others.
  bool hides_elements() const;
  /// Whether it is flawed, has no fields, or has a field without a size or with another than its
  /// type or its own fields: then the description is damaged, whatever the section is like.
  bool contradicts_itself() const;
};

/// A parsed description. Owns everything; shared freely between threads once made.
class Vmdesc {
 public:
  /// Nesting, number of fields and every size are bounded; sums that overflow are an error.
  static Result<Vmdesc> parse(std::string_view json);
  /// The same of a text that may be cut or damaged: the devices in front of its first fault().
  static Vmdesc read(std::string_view json);

  /// Why the text was not read to its end; nothing if it was.
  const std::optional<Error>& fault() const { return fault_; }

  /// What no QEMU writes and can be read all the same, such as a damaged letter in the name of a
  /// type or a key; each with its device. The first kFlawsKept of them.
  const std::vector<std::string>& flaws() const { return flaws_; }
  static constexpr size_t kFlawsKept = 16;

  /// Bytes of a target page; 0 where the description does not say.
  uint32_t page_size() const { return page_size_; }
  const std::vector<VmdescDevice>& devices() const { return devices_; }
  /// Null when the description does not name the device.
  const VmdescDevice* find(std::string_view idstr, uint32_t instance_id) const;

 private:
  Status take(VmdescBuilder builder);

  std::optional<Error> fault_;
  std::vector<std::string> flaws_;
  uint32_t page_size_ = 0;
  std::vector<VmdescDevice> devices_;
  std::vector<uint32_t> by_key_;  // indices into devices_, by idstr and instance id
};

/// The declarations of all devices that a build of QEMU has: the JSON of its option -dump-vmstate.
/// They hold names and sizes, but no types, no number of elements before QEMU 8.1, and not which of
/// the optional fields were sent. Some devices (cpu, apic, timer) have none. A value that is cheap
/// to copy.
class VmstateDump {
 public:
  /// Nesting and the number of fields are bounded.
  static Result<VmstateDump> parse(std::string_view json);

  /// The machine type it was made for; empty where that is not said.
  const std::string& machine() const;

  /// A description of this very body, by the declaration whose name its idstr ends with. Numbers
  /// are unsigned, whatever they are. Errc::Unsupported, with the reason, unless there is exactly
  /// one way to leave out optional fields so that the others end where the body does.
  Result<VmdescDevice> describe(const SectionHeader& header, std::span<const std::byte> body) const;

 private:
  struct Declarations;
  explicit VmstateDump(std::shared_ptr<const Declarations> declarations);

  std::shared_ptr<const Declarations> declarations_;
};

}  // namespace vmstream
