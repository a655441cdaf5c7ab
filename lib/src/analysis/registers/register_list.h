// SPDX-License-Identifier: MIT
// Takes registers out of the fields of a processor's section.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/cpu_registers.h>
#include <vmstream/device_state.h>

namespace vmstream {

/// The name of a register and the path to the field that holds it.
struct RegisterPlace {
  std::string_view name;
  std::string_view path;
};

class RegisterList {
 public:
  /// `state` is borrowed.
  explicit RegisterList(const DeviceState& state) : state_(state) {}

  /// The field that the path leads to, in the section itself or in one of its subsections.
  std::optional<DeviceField> find(std::string_view path) const;

  /// What the path leads to: a number, or a composite whose numbers are the words of the register,
  /// lowest first. Nothing happens where it leads nowhere. Returns the register, which stays in
  /// place until the next one is added, or null.
  CpuRegister* add(RegisterGroup group, std::string_view name, std::string_view path);
  /// By the name that register_path() knows.
  CpuRegister* add_known(RegisterGroup group, std::string_view name);
  CpuRegister* add_value(CpuRegister made);
  /// A field that add_rest() shall not show: a part of a register that was added.
  void leave_out(const DeviceField& field) { taken_.insert(field.offset); }
  void add_all(RegisterGroup group, std::span<const RegisterPlace> places);

  /// Gives those a meaning that have none.
  void explain(std::string (*meaning_of)(std::string_view name, uint64_t value));

  /// The fields that nothing above has taken, by QEMU's names without "env."; numbers only, and
  /// elements of arrays that are zero are left out, for there can be a thousand of them.
  void add_rest();

  const DeviceState& state() const { return state_; }
  std::vector<CpuRegister> take() { return std::move(registers_); }

 private:
  void add_rest_of(const std::vector<DeviceField>& fields,
                   const std::vector<DeviceSubsection>& subsections);
  void add_numbers(const DeviceField& field, const std::string& name);

  const DeviceState& state_;
  std::vector<CpuRegister> registers_;
  std::set<uint64_t> taken_;  // offsets of fields
};

/// The numbers in a field, nested ones included, each as one word.
std::vector<uint64_t> words_of(const DeviceField& field);

// One function an architecture; each adds what it knows.
void add_x86_registers(RegisterList& list);
void add_apic_registers(RegisterList& list, const DeviceState& apic);
void add_aarch64_registers(RegisterList& list);
void add_arm_registers(RegisterList& list);
void add_riscv_registers(RegisterList& list);
void add_power_registers(RegisterList& list);
void add_s390_registers(RegisterList& list);

}  // namespace vmstream
