// SPDX-License-Identifier: MIT
#include <vmstream/cpu_registers.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "analysis/registers/flag_names.h"
#include "analysis/registers/register_list.h"

namespace vmstream {
namespace {

constexpr std::string_view kProcessor = "cpu";
constexpr std::string_view kInterruptController = "apic";

bool has(const DeviceState& state, std::string_view path) {
  return static_cast<bool>(find_field(state, path));
}

CpuArchitecture architecture_of(const DeviceState& cpu) {
  if (auto pointer = find_field(cpu, "env.eip").field) {
    return pointer->size() == 4 ? CpuArchitecture::I386 : CpuArchitecture::X86;
  }
  if (has(cpu, "cpsr")) {
    // Both states of a 64-bit processor are in the stream; the names tell which one is in use.
    auto counter = register_path(cpu, "pc");
    return counter == "env.pc" ? CpuArchitecture::AArch64 : CpuArchitecture::Arm;
  }
  if (has(cpu, "env.mhartid")) return CpuArchitecture::RiscV;
  if (has(cpu, "env.nip")) return CpuArchitecture::Power;
  if (has(cpu, "env.psw.addr")) return CpuArchitecture::S390;
  return CpuArchitecture::Other;
}

void add_registers(RegisterList& list, CpuArchitecture architecture) {
  switch (architecture) {
    case CpuArchitecture::X86:
    case CpuArchitecture::I386:
      return add_x86_registers(list);
    case CpuArchitecture::AArch64:
      return add_aarch64_registers(list);
    case CpuArchitecture::Arm:
      return add_arm_registers(list);
    case CpuArchitecture::RiscV:
      return add_riscv_registers(list);
    case CpuArchitecture::Power:
      return add_power_registers(list);
    case CpuArchitecture::S390:
      return add_s390_registers(list);
    case CpuArchitecture::Other:
      return list.add_rest();
  }
}

std::vector<DecodedDevice> decode_all(const DeviceCollector& collector, std::string_view idstr) {
  std::vector<DecodedDevice> devices;
  for (const auto& section : collector.sections()) {
    if (section.header.idstr == idstr) devices.push_back(collector.decode(section));
  }
  std::ranges::stable_sort(
      devices, {}, [](const DecodedDevice& device) { return device.section->header.instance_id; });
  return devices;
}

Error not_described() {
  return {Errc::Unsupported,
          "the stream does not describe its processors",
          {},
          {},
          "--schema FILE takes the description of another stream, or of QEMU's -dump-vmstate"};
}

}  // namespace

std::string_view name_of(CpuArchitecture architecture) {
  constexpr std::array<std::string_view, 8> kNames{"x86-64", "i386", "aarch64", "arm",
                                                   "riscv",  "ppc",  "s390x",   "other"};
  return kNames[static_cast<size_t>(architecture)];
}

std::string_view name_of(RegisterGroup group) {
  constexpr std::array<std::string_view, 9> kNames{"general", "segment", "control", "msr",  "float",
                                                   "vector",  "system",  "apic",    "other"};
  return kNames[static_cast<size_t>(group)];
}

std::string CpuRegister::hex() const {
  std::string text;
  for (uint64_t word : words) text.insert(0, fmt::format("{:016x}", word));
  size_t digits = (bits + 3) / 4;
  text.erase(0, text.size() - std::min(text.size(), digits));
  return "0x" + text;
}

const CpuRegister* CpuRegisters::find(std::string_view name) const {
  auto found = std::ranges::find(registers, name, &CpuRegister::name);
  return found == registers.end() ? nullptr : &*found;
}

std::optional<uint64_t> CpuRegisters::value(std::string_view name) const {
  const CpuRegister* found = find(name);
  return found ? std::optional(found->value()) : std::nullopt;
}

bool holds_registers(const SectionHeader& header) {
  return header.idstr == kProcessor || header.idstr == kInterruptController;
}

CpuRegisters cpu_registers(const DecodedDevice& cpu, const DecodedDevice* apic) {
  CpuRegisters all{.instance_id = cpu.section->header.instance_id,
                   .architecture = architecture_of(cpu.state)};
  RegisterList list(cpu.state);
  add_registers(list, all.architecture);
  if (apic) add_apic_registers(list, apic->state);
  all.registers = list.take();
  std::ranges::stable_sort(all.registers, {}, &CpuRegister::group);
  return all;
}

Result<std::vector<CpuRegisters>> read_cpu_registers(const DeviceCollector& collector) {
  auto processors = decode_all(collector, kProcessor);
  if (processors.empty()) {
    return Error{Errc::Unsupported, "the stream has no section of a processor"};
  }
  // Numbers of interrupt controllers have gaps where a socket's threads are no power of two, but
  // they rise as those of the processors do.
  auto controllers = decode_all(collector, kInterruptController);
  bool are_paired = controllers.size() == processors.size();
  std::vector<CpuRegisters> all;
  for (size_t i = 0; i < processors.size(); ++i) {
    if (processors[i].source == DescriptionSource::None) return not_described();
    bool has_apic = are_paired && controllers[i].source != DescriptionSource::None;
    all.push_back(cpu_registers(processors[i], has_apic ? &controllers[i] : nullptr));
  }
  return all;
}

}  // namespace vmstream
