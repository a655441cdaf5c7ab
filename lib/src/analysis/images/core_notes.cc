// SPDX-License-Identifier: MIT
#include "analysis/images/core_notes.h"

#include <fmt/format.h>

#include <array>
#include <string>

#include "analysis/images/byte_order.h"

namespace vmstream {
namespace {

using Names = std::initializer_list<std::string_view>;

constexpr uint32_t kPrStatus = 1;
constexpr uint32_t kPrFpReg = 2;
constexpr uint64_t kLongMode = 0x400;
constexpr uint16_t kI386 = 3;
constexpr uint16_t kAmd64 = 62;
constexpr uint16_t kAArch64 = 183;
constexpr uint16_t kRiscV = 243;
constexpr uint16_t kS390 = 22;

uint64_t value_of(const CpuRegisters& cpu, std::string_view name) {
  return cpu.value(name).value_or(0);
}

// Registers one behind the other; an empty name is a zero.
void add(OrderedBytes& out, const CpuRegisters& cpu, Names names, size_t width) {
  for (std::string_view name : names) out.number(name.empty() ? 0 : value_of(cpu, name), width);
}

std::vector<std::byte> x86_64_status(const CpuRegisters& cpu) {
  OrderedBytes out;
  out.pad_to(32).u32(cpu.instance_id + 1).pad_to(112);
  add(out, cpu, {"r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9"}, 8);
  add(out, cpu, {"r8", "rax", "rcx", "rdx", "rsi", "rdi", "", "rip", "cs", "rflags"}, 8);
  add(out, cpu, {"rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs"}, 8);
  return out.pad_to(336).take();
}

// By the names of the 64-bit registers, or of those that a QEMU for i386 has.
uint64_t short_value(const CpuRegisters& cpu, std::string_view name) {
  for (std::string_view letter : {"r", "e"}) {
    if (auto value = cpu.value(std::string(letter) + std::string(name))) return *value;
  }
  return 0;
}

std::vector<std::byte> i386_status(const CpuRegisters& cpu) {
  constexpr uint64_t kSelector = 0xffff;
  OrderedBytes out;
  out.pad_to(24).u32(cpu.instance_id + 1).pad_to(72);
  for (std::string_view name : {"bx", "cx", "dx", "si", "di", "bp", "ax"}) {
    out.u32(short_value(cpu, name));
  }
  for (std::string_view name : {"ds", "es", "fs", "gs"}) out.u32(value_of(cpu, name) & kSelector);
  out.u32(0).u32(short_value(cpu, "ip")).u32(value_of(cpu, "cs") & kSelector);
  out.u32(short_value(cpu, "flags")).u32(short_value(cpu, "sp"));
  return out.u32(value_of(cpu, "ss") & kSelector).pad_to(144).take();
}

void add_segment(OrderedBytes& out, const CpuRegisters& cpu, const std::string& name) {
  out.u32(value_of(cpu, name)).u32(value_of(cpu, name + "_limit"));
  out.u32(value_of(cpu, name + "_flags")).u32(0).u64(value_of(cpu, name + "_base"));
}

// What QEMU knows beyond the general registers.
std::vector<std::byte> x86_qemu(const CpuRegisters& cpu) {
  constexpr uint32_t kVersion = 1;
  constexpr uint32_t kBytes = 440;
  OrderedBytes out;
  out.u32(kVersion).u32(kBytes);
  for (std::string_view name : {"ax", "bx", "cx", "dx", "si", "di", "sp", "bp"}) {
    out.u64(short_value(cpu, name));
  }
  add(out, cpu, {"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"}, 8);
  out.u64(short_value(cpu, "ip")).u64(short_value(cpu, "flags"));
  for (const char* name : {"cs", "ds", "es", "fs", "gs", "ss", "ldt", "tr", "gdt", "idt"}) {
    add_segment(out, cpu, name);
  }
  add(out, cpu, {"cr0", "", "cr2", "cr3", "cr4", "kernel_gs_base"}, 8);
  return out.take();
}

std::vector<std::byte> aarch64_status(const CpuRegisters& cpu) {
  OrderedBytes out;
  out.pad_to(32).u32(cpu.instance_id + 1).pad_to(112);
  for (int i = 0; i < 31; ++i) out.u64(value_of(cpu, fmt::format("x{}", i)));
  add(out, cpu, {"sp", "pc", "pstate"}, 8);
  return out.u32(1).pad_to(392).take();
}

std::vector<std::byte> aarch64_floats(const CpuRegisters& cpu) {
  OrderedBytes out;
  for (int i = 0; i < 32; ++i) {
    const CpuRegister* vector = cpu.find(fmt::format("v{}", i));
    for (size_t word = 0; word < 2; ++word) {
      out.u64(vector != nullptr && word < vector->words.size() ? vector->words[word] : 0);
    }
  }
  add(out, cpu, {"fpsr", "fpcr"}, 4);
  return out.pad_to(528).take();
}

std::vector<std::byte> riscv_status(const CpuRegisters& cpu) {
  OrderedBytes out;
  out.pad_to(32).u32(cpu.instance_id + 1).pad_to(112);
  out.u64(value_of(cpu, "pc"));
  for (int i = 1; i < 32; ++i) out.u64(value_of(cpu, fmt::format("x{}", i)));
  return out.pad_to(376).take();
}

std::vector<std::byte> s390_status(const CpuRegisters& cpu) {
  OrderedBytes out(true);
  out.pad_to(32).u32(cpu.instance_id + 1).pad_to(112);
  add(out, cpu, {"pswm", "pswa"}, 8);
  for (int i = 0; i < 16; ++i) out.u64(value_of(cpu, fmt::format("r{}", i)));
  for (int i = 0; i < 16; ++i) out.u32(value_of(cpu, fmt::format("acr{}", i)));
  return out.pad_to(336).take();
}

std::vector<std::byte> status_of(const CpuRegisters& cpu, uint16_t machine) {
  switch (machine) {
    case kAmd64:
      return x86_64_status(cpu);
    case kI386:
      return i386_status(cpu);
    case kAArch64:
      return aarch64_status(cpu);
    case kRiscV:
      return riscv_status(cpu);
    default:
      return s390_status(cpu);
  }
}

void append(std::vector<std::byte>& notes, const std::vector<std::byte>& note) {
  notes.insert(notes.end(), note.begin(), note.end());
}

}  // namespace

std::optional<CoreMachine> core_machine(const std::vector<CpuRegisters>& cpus) {
  if (cpus.empty()) return std::nullopt;
  const CpuRegisters& first = cpus.front();
  switch (first.architecture) {
    case CpuArchitecture::X86:
      if ((value_of(first, "efer") & kLongMode) != 0) return CoreMachine{kAmd64, false, "x86_64"};
      return CoreMachine{kI386, false, "i686"};
    case CpuArchitecture::I386:
      return CoreMachine{kI386, false, "i686"};
    case CpuArchitecture::AArch64:
      return CoreMachine{kAArch64, false, "aarch64"};
    case CpuArchitecture::RiscV:
      return CoreMachine{kRiscV, false, "riscv64"};
    case CpuArchitecture::S390:
      return CoreMachine{kS390, true, "s390x"};
    default:
      return std::nullopt;
  }
}

std::vector<std::byte> make_note(std::string_view name, uint32_t type,
                                 const std::vector<std::byte>& description, bool is_big) {
  auto padded = [](size_t bytes) { return (bytes + 3) / 4 * 4; };
  OrderedBytes out(is_big);
  out.u32(name.size() + 1).u32(description.size()).u32(type);
  out.text(name, padded(name.size() + 1));
  auto note = out.take();
  size_t end = note.size() + padded(description.size());
  note.insert(note.end(), description.begin(), description.end());
  note.resize(end);
  return note;
}

std::vector<std::byte> make_cpu_notes(const std::vector<CpuRegisters>& cpus,
                                      const CoreMachine& machine) {
  bool is_x86 = machine.elf_machine == kAmd64 || machine.elf_machine == kI386;
  std::vector<std::byte> notes;
  for (const CpuRegisters& cpu : cpus) {
    auto status = status_of(cpu, machine.elf_machine);
    append(notes, make_note("CORE", kPrStatus, status, machine.is_big));
    if (machine.elf_machine == kAArch64) {
      append(notes, make_note("CORE", kPrFpReg, aarch64_floats(cpu), machine.is_big));
    }
  }
  for (const CpuRegisters& cpu : cpus) {
    if (is_x86) append(notes, make_note("QEMU", 0, x86_qemu(cpu), machine.is_big));
  }
  return notes;
}

}  // namespace vmstream
