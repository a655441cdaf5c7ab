// SPDX-License-Identifier: MIT
#include <vmstream/vmdesc.h>

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/json.h"
#include "format/device/declaration.h"

#include <vmstream/text.h>

namespace vmstream {
namespace {

constexpr size_t kMaxNesting = 32;       // of structs and subsections; QEMU's deepest takes 6
constexpr size_t kMaxEntries = 1 << 18;  // fields and subsections of all devices
constexpr uint64_t kMaxElements = 1 << 16;
constexpr const char* kMachineKey = "vmschkmachine";

// Turns the JSON into declarations.
class Reader {
 public:
  bool read(const Json& json, Declaration& into);
  const std::string& reason() const { return reason_; }

 private:
  bool read_fields(const Json& list, std::vector<DeclaredField>& into);
  bool read_field(const Json& json, DeclaredField& into);
  bool refuse(std::string reason);
  bool count_entry();

  std::string reason_;
  size_t depth_ = 0;
  size_t entries_ = 0;
};

bool Reader::refuse(std::string reason) {
  reason_ = std::move(reason);
  return false;
}

bool Reader::count_entry() {
  return ++entries_ <= kMaxEntries ||
         refuse(fmt::format("it has more than {} entries", kMaxEntries));
}

bool Reader::read(const Json& json, Declaration& into) {
  into.name = text_member(json, "name");
  if (into.name.empty()) return refuse("a declaration has no name");
  if (depth_ == kMaxNesting) {
    return refuse(
        fmt::format("'{}' is nested deeper than {} levels", escape(into.name), kMaxNesting));
  }
  into.version = number_member(json, "version_id").value_or(0);
  into.minimum_version = number_member(json, "minimum_version_id").value_or(0);
  ++depth_;
  const Json* fields = find_member(json, "Fields");
  if (fields && !read_fields(*fields, into.fields)) return false;
  if (const Json* subsections = find_member(json, "Subsections")) {
    for (const Json& subsection : *subsections) {
      if (!count_entry() || !read(subsection, into.subsections.emplace_back())) return false;
    }
  }
  --depth_;
  return true;
}

bool Reader::read_fields(const Json& list, std::vector<DeclaredField>& into) {
  for (const Json& field : list) {
    if (!count_entry() || !read_field(field, into.emplace_back())) return false;
  }
  return true;
}

bool Reader::read_field(const Json& json, DeclaredField& into) {
  into.name = text_member(json, "field");
  if (into.name.empty()) return refuse("a field has no name");
  into.since_version = number_member(json, "version_id").value_or(0);
  into.optional = true_member(json, "field_exists");
  into.size = number_member(json, "size").value_or(0);
  into.count = number_member(json, "num").value_or(0);
  if (into.count == 0) into.count = 1;  // no array, or one whose length another field tells
  if (into.count > kMaxElements) {
    return refuse(fmt::format("field '{}' has {} elements, more than {}", escape(into.name),
                              into.count, kMaxElements));
  }
  const Json* element = find_member(json, "Description");
  into.is_struct = element != nullptr;
  return element == nullptr || read(*element, into.element);
}

bool is_named(const SectionHeader& header, std::string_view name) {
  std::string_view idstr = header.idstr;
  if (!idstr.ends_with(name)) return false;
  idstr.remove_suffix(name.size());
  return idstr.empty() || idstr.ends_with('/');
}

Error malformed(std::string_view reason) {
  return Error{Errc::Malformed, fmt::format("vmstate dump: {}", reason)};
}

Error not_described(std::string reason) {
  return Error{Errc::Unsupported, std::move(reason)};
}

VmdescDevice device_from(const SectionHeader& header, VmdescField layout) {
  VmdescDevice device;
  device.idstr = header.idstr;
  device.instance_id = header.instance_id;
  device.vmsd_name = std::move(layout.name);
  device.version = header.version_id;
  device.fields = std::move(layout.fields);
  device.subsections = std::move(layout.subsections);
  return device;
}

Result<VmdescDevice> describe_by(const Declaration& declaration, const SectionHeader& header,
                                 std::span<const std::byte> body) {
  uint64_t version = header.version_id;
  if (version < declaration.minimum_version || version > declaration.version) {
    return not_described(fmt::format("the section has version {}, the declaration {} to {}",
                                     version, declaration.minimum_version, declaration.version));
  }
  auto fit = fit_declaration(declaration, version, body);
  if (fit.given_up) return not_described("its declaration leaves too many ways open to try all");
  if (fit.ways > 1) return not_described("the sizes of its fields fit the body in several ways");
  if (fit.ways == 0) return not_described("the sizes of its fields do not add up to the body's");
  return device_from(header, std::move(fit.layout));
}

}  // namespace

struct VmstateDump::Declarations {
  std::string machine;
  std::vector<Declaration> devices;
};

VmstateDump::VmstateDump(std::shared_ptr<const Declarations> declarations)
    : declarations_(std::move(declarations)) {}

Result<VmstateDump> VmstateDump::parse(std::string_view json) {
  auto top = parse_object(json);
  if (!top) return malformed("it is no JSON object");
  const Json* machine = find_member(*top, kMachineKey);
  if (machine == nullptr) return malformed(fmt::format("it has no '{}'", kMachineKey));
  auto declarations = std::make_shared<Declarations>();
  declarations->machine = text_member(*machine, "Name");
  Reader reader;
  for (const Json& type : *top) {
    const Json* declaration = find_member(type, "Description");
    if (declaration == nullptr) continue;
    if (!reader.read(*declaration, declarations->devices.emplace_back())) {
      return malformed(reader.reason());
    }
  }
  return VmstateDump(std::move(declarations));
}

const std::string& VmstateDump::machine() const {
  return declarations_->machine;
}

// Several types may share a declaration: the first that fits is as good as any, and what the first
// few do not explain the others will not.
Result<VmdescDevice> VmstateDump::describe(const SectionHeader& header,
                                           std::span<const std::byte> body) const {
  constexpr size_t kMostTried = 16;
  Result<VmdescDevice> described = not_described("no device is declared under this name");
  size_t tried = 0;
  for (const Declaration& declaration : declarations_->devices) {
    if (!is_named(header, declaration.name)) continue;
    if (tried++ == kMostTried) break;
    described = describe_by(declaration, header, body);
    if (described) return described;
  }
  return described;
}

}  // namespace vmstream
