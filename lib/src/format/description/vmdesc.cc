// SPDX-License-Identifier: MIT
#include <vmstream/vmdesc.h>

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include <vmstream/text.h>
#include "format/description/device_value.h"
#include "format/description/vmdesc_builder.h"
#include "format/wire.h"

namespace vmstream {
namespace {

// type byte, name length, name, version

// Adds to a sum of sizes; false once it no longer fits 64 bits.
class CheckedSum {
 public:
  void add(uint64_t value) { overflow_ |= __builtin_add_overflow(sum_, value, &sum_); }
  void add_product(uint64_t count, uint64_t size) {
    uint64_t product = 0;
    overflow_ |= __builtin_mul_overflow(count, size, &product);
    add(product);
  }
  bool fits() const { return !overflow_; }
  uint64_t value() const { return sum_; }

 private:
  uint64_t sum_ = 0;
  bool overflow_ = false;
};

void add_fields(CheckedSum& sum, const std::vector<VmdescField>& fields) {
  for (const VmdescField& field : fields) sum.add_product(field.array_len, field.size);
}

void add_subsections(CheckedSum& sum, const std::vector<VmdescSubsection>& subsections) {
  for (const VmdescSubsection& subsection : subsections) {
    sum.add(wire::kSubsectionHeaderBytes + subsection.vmsd_name.size());
    add_fields(sum, subsection.fields);
    add_subsections(sum, subsection.subsections);
  }
}

CheckedSum sum_of(const VmdescDevice& device) {
  CheckedSum sum;
  add_fields(sum, device.fields);
  add_subsections(sum, device.subsections);
  return sum;
}

std::pair<std::string_view, uint32_t> key_of(const VmdescDevice& device) {
  return {device.idstr, device.instance_id};
}

// A NULL pointer is one byte, described as a struct of nothing.
bool hides_elements(const VmdescField& field) {
  bool is_null = field.type == "struct" && field.size == 1 && field.fields.empty();
  return (is_null && field.array_len > 1) || std::ranges::any_of(field.fields, hides_elements);
}

// Of a struct whose fields are all described.
bool differs_from_fields(const VmdescField& field) {
  if (field.type != "struct" || field.fields.empty() || hides_elements(field)) return false;
  CheckedSum sum;
  add_fields(sum, field.fields);
  add_subsections(sum, field.subsections);
  return !sum.fits() || sum.value() != field.size;
}

bool contradicts_itself(const VmdescSubsection& subsection);

bool contradicts_itself(const VmdescField& field) {
  uint64_t wanted = scalar_size(field.type);
  bool differs = wanted != 0 && field.size != wanted && !is_null_pointer(field);
  auto inner = [](const auto& one) { return contradicts_itself(one); };
  return differs || !field.sized || differs_from_fields(field) ||
         std::ranges::any_of(field.fields, inner) || std::ranges::any_of(field.subsections, inner);
}

bool contradicts_itself(const VmdescSubsection& subsection) {
  auto inner = [](const auto& one) { return contradicts_itself(one); };
  return std::ranges::any_of(subsection.fields, inner) ||
         std::ranges::any_of(subsection.subsections, inner);
}

Error malformed(std::string_view reason) {
  return Error{Errc::Malformed, fmt::format("vmdesc: {}", reason)};
}

}  // namespace

uint64_t VmdescDevice::body_length() const {
  return sum_of(*this).value();
}

uint64_t VmdescDevice::field_count() const {
  return fields.size();
}

bool VmdescDevice::hides_elements() const {
  return std::ranges::any_of(fields, vmstream::hides_elements);
}

bool VmdescDevice::contradicts_itself() const {
  auto inner = [](const auto& one) { return vmstream::contradicts_itself(one); };
  return flawed || fields.empty() || std::ranges::any_of(fields, inner) ||
         std::ranges::any_of(subsections, inner);
}

uint64_t VmdescDevice::subsection_count() const {
  return subsections.size();
}

Result<Vmdesc> Vmdesc::parse(std::string_view json) {
  Vmdesc description = read(json);
  if (description.fault_) return *description.fault_;
  return description;
}

Vmdesc Vmdesc::read(std::string_view json) {
  VmdescBuilder builder;
  Vmdesc description;
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &builder)) {
    description.fault_ = malformed(builder.error);
    builder.devices.resize(builder.whole_devices);
  }
  if (auto taken = description.take(std::move(builder)); !taken) {
    Vmdesc nothing;
    nothing.fault_ = description.fault_.value_or(taken.error());
    return nothing;
  }
  return description;
}

Status Vmdesc::take(VmdescBuilder builder) {
  page_size_ = builder.page_size;
  flaws_ = std::move(builder.flaws);
  devices_ = std::move(builder.devices);
  for (const VmdescDevice& device : devices_) {
    if (device.idstr.empty()) return malformed("a device has no name");
    if (!sum_of(device).fits()) {
      return malformed(fmt::format("the sizes of device '{}' add up to more than 64 bits hold",
                                   escape(device.idstr)));
    }
  }
  by_key_.resize(devices_.size());
  std::iota(by_key_.begin(), by_key_.end(), 0u);
  std::ranges::stable_sort(by_key_, {}, [&](uint32_t index) { return key_of(devices_[index]); });
  return ok();
}

const VmdescDevice* Vmdesc::find(std::string_view idstr, uint32_t instance_id) const {
  auto wanted = std::pair(idstr, instance_id);
  auto key = [this](uint32_t index) { return key_of(devices_[index]); };
  auto found = std::ranges::lower_bound(by_key_, wanted, {}, key);
  return found != by_key_.end() && key(*found) == wanted ? &devices_[*found] : nullptr;
}

}  // namespace vmstream
