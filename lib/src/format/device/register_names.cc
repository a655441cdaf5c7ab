// SPDX-License-Identifier: MIT
// One table a processor: the names of its registers, and QEMU's of the fields that hold them.
#include <vmstream/device_state.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <span>

namespace vmstream {
namespace {

struct NamedRegister {
  std::string_view name;
  std::string_view path;
};

// "r8" to "r15": the number stands where {} does.
struct RegisterFile {
  std::string_view prefix;
  unsigned first = 0;
  unsigned last = 0;
  std::string_view path_before;
  std::string_view path_behind = "]";
};

constexpr std::array kX86{
    NamedRegister{"rip", "env.eip"},
    NamedRegister{"eip", "env.eip"},
    NamedRegister{"pc", "env.eip"},
    NamedRegister{"rflags", "env.eflags"},
    NamedRegister{"eflags", "env.eflags"},
    NamedRegister{"rax", "env.regs[0]"},
    NamedRegister{"rcx", "env.regs[1]"},
    NamedRegister{"rdx", "env.regs[2]"},
    NamedRegister{"rbx", "env.regs[3]"},
    NamedRegister{"rsp", "env.regs[4]"},
    NamedRegister{"rbp", "env.regs[5]"},
    NamedRegister{"rsi", "env.regs[6]"},
    NamedRegister{"rdi", "env.regs[7]"},
    NamedRegister{"eax", "env.regs[0]"},
    NamedRegister{"ecx", "env.regs[1]"},
    NamedRegister{"edx", "env.regs[2]"},
    NamedRegister{"ebx", "env.regs[3]"},
    NamedRegister{"esp", "env.regs[4]"},
    NamedRegister{"ebp", "env.regs[5]"},
    NamedRegister{"esi", "env.regs[6]"},
    NamedRegister{"edi", "env.regs[7]"},
    NamedRegister{"sp", "env.regs[4]"},
    NamedRegister{"es", "env.segs[0]"},
    NamedRegister{"cs", "env.segs[1]"},
    NamedRegister{"ss", "env.segs[2]"},
    NamedRegister{"ds", "env.segs[3]"},
    NamedRegister{"fs", "env.segs[4]"},
    NamedRegister{"gs", "env.segs[5]"},
    NamedRegister{"fs_base", "env.segs[4].base"},
    NamedRegister{"gs_base", "env.segs[5].base"},
    NamedRegister{"ldtr", "env.ldt"},
    NamedRegister{"gdtr", "env.gdt"},
    NamedRegister{"idtr", "env.idt"},
    NamedRegister{"kernel_gs_base", "env.kernelgsbase"},
};
constexpr std::array kX86Files{
    RegisterFile{"r", 8, 15, "env.regs["},       RegisterFile{"cr", 0, 4, "env.cr["},
    RegisterFile{"dr", 0, 7, "env.dr["},         RegisterFile{"xmm", 0, 15, "env.xmm_regs[0]["},
    RegisterFile{"xmm", 0, 15, "env.xmm_regs["},
};

constexpr std::array kAArch64{
    NamedRegister{"sp", "env.xregs[31]"},      NamedRegister{"lr", "env.xregs[30]"},
    NamedRegister{"fp", "env.xregs[29]"},      NamedRegister{"pstate", "cpsr"},
    NamedRegister{"elr_el1", "env.elr_el[1]"}, NamedRegister{"elr_el2", "env.elr_el[2]"},
    NamedRegister{"elr_el3", "env.elr_el[3]"}, NamedRegister{"sp_el0", "env.sp_el[0]"},
    NamedRegister{"sp_el1", "env.sp_el[1]"},   NamedRegister{"sp_el2", "env.sp_el[2]"},
    NamedRegister{"sp_el3", "env.sp_el[3]"},
};
constexpr std::array kAArch64Files{RegisterFile{"x", 0, 31, "env.xregs["}};

constexpr std::array kAArch32{
    NamedRegister{"pc", "env.regs[15]"},
    NamedRegister{"lr", "env.regs[14]"},
    NamedRegister{"sp", "env.regs[13]"},
};
constexpr std::array kAArch32Files{RegisterFile{"r", 0, 15, "env.regs["}};

constexpr std::array kRiscV{
    NamedRegister{"ra", "env.gpr[1]"}, NamedRegister{"sp", "env.gpr[2]"},
    NamedRegister{"gp", "env.gpr[3]"}, NamedRegister{"tp", "env.gpr[4]"},
    NamedRegister{"fp", "env.gpr[8]"},
};
constexpr std::array kRiscVFiles{
    RegisterFile{"x", 0, 31, "env.gpr["},
    RegisterFile{"f", 0, 31, "env.fpr["},
};

constexpr std::array kPower{
    NamedRegister{"pc", "env.nip"},
    NamedRegister{"sp", "env.gpr[1]"},
    NamedRegister{"lr", "env.spr[8]"},
    NamedRegister{"ctr", "env.spr[9]"},
};
constexpr std::array kPowerFiles{
    RegisterFile{"r", 0, 31, "env.gpr["},
    RegisterFile{"spr", 0, 1023, "env.spr["},
};

constexpr std::array kS390{
    NamedRegister{"pc", "env.psw.addr"},
    NamedRegister{"psw", "env.psw.addr"},
    NamedRegister{"sp", "env.regs[15]"},
};
constexpr std::array kS390Files{
    RegisterFile{"r", 0, 15, "env.regs["},
    RegisterFile{"cr", 0, 15, "env.cregs["},
    RegisterFile{"c", 0, 15, "env.cregs["},
    RegisterFile{"ar", 0, 15, "env.aregs["},
};

struct Processor {
  std::span<const NamedRegister> registers;
  std::span<const RegisterFile> files;
};

bool has(const DeviceState& cpu, std::string_view path) {
  return static_cast<bool>(find_field(cpu, path));
}

// Arm's two ways are of one processor; bit 4 of the status register tells which one is in use.
bool is_in_aarch32(const DeviceState& cpu) {
  constexpr uint64_t kAArch32Mode = 0x10;
  auto status = find_field(cpu, "cpsr");
  if (!status.field || status.field->bytes.size() != 4) return false;
  return (std::to_integer<uint64_t>(status.field->bytes[3]) & kAArch32Mode) != 0;
}

Processor processor_of(const DeviceState& cpu) {
  if (has(cpu, "env.eip")) return {kX86, kX86Files};
  if (has(cpu, "env.xregs") && !is_in_aarch32(cpu)) return {kAArch64, kAArch64Files};
  if (has(cpu, "cpsr")) return {kAArch32, kAArch32Files};
  if (has(cpu, "env.mhartid")) return {kRiscV, kRiscVFiles};
  if (has(cpu, "env.nip")) return {kPower, kPowerFiles};
  if (has(cpu, "env.psw.addr")) return {kS390, kS390Files};
  return {};
}

std::optional<std::string> path_in(const RegisterFile& file, std::string_view name) {
  if (!name.starts_with(file.prefix)) return std::nullopt;
  auto digits = name.substr(file.prefix.size());
  unsigned number = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  bool is_number = error == std::errc{} && end == digits.data() + digits.size();
  if (!is_number || number < file.first || number > file.last) return std::nullopt;
  return fmt::format("{}{}{}", file.path_before, number, file.path_behind);
}

}  // namespace

std::optional<std::string> register_path(const DeviceState& cpu, std::string_view name) {
  std::string simple(name);
  std::ranges::transform(simple, simple.begin(), [](unsigned char letter) {
    return static_cast<char>(std::tolower(letter));
  });
  Processor processor = processor_of(cpu);
  auto named = std::ranges::find(processor.registers, simple, &NamedRegister::name);
  if (named != processor.registers.end() && has(cpu, named->path)) return std::string(named->path);
  for (const RegisterFile& file : processor.files) {
    auto path = path_in(file, simple);
    if (path && has(cpu, *path)) return path;
  }
  std::string field = "env." + simple;
  return has(cpu, field) ? std::optional(field) : std::nullopt;
}

std::vector<std::string> register_names(const DeviceState& cpu) {
  std::vector<std::string> names;
  Processor processor = processor_of(cpu);
  for (const NamedRegister& one : processor.registers) names.emplace_back(one.name);
  for (const RegisterFile& file : processor.files) {
    for (unsigned i = file.first; i <= file.last; ++i) {
      names.push_back(fmt::format("{}{}", file.prefix, i));
    }
  }
  std::erase_if(names, [&](const std::string& name) { return !register_path(cpu, name); });
  return names;
}

}  // namespace vmstream
