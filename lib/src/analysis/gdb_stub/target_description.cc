// SPDX-License-Identifier: MIT
#include "analysis/gdb_stub/target_description.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "analysis/gdb_stub/packet_text.h"

namespace vmstream {
namespace {

constexpr std::string_view kX86Flags =
    R"(<flags id="x86_eflags" size="4"><field name="CF" start="0" end="0"/>)"
    R"(<field name="" start="1" end="1"/><field name="PF" start="2" end="2"/>)"
    R"(<field name="AF" start="4" end="4"/><field name="ZF" start="6" end="6"/>)"
    R"(<field name="SF" start="7" end="7"/><field name="TF" start="8" end="8"/>)"
    R"(<field name="IF" start="9" end="9"/><field name="DF" start="10" end="10"/>)"
    R"(<field name="OF" start="11" end="11"/><field name="NT" start="14" end="14"/>)"
    R"(<field name="RF" start="16" end="16"/><field name="VM" start="17" end="17"/>)"
    R"(<field name="AC" start="18" end="18"/><field name="VIF" start="19" end="19"/>)"
    R"(<field name="VIP" start="20" end="20"/><field name="ID" start="21" end="21"/></flags>)";
constexpr std::string_view kX86Vectors =
    R"(<vector id="v4f" type="ieee_single" count="4"/><vector id="v2d" type="ieee_double" )"
    R"(count="2"/><vector id="v16i8" type="int8" count="16"/><vector id="v8i16" type="int16" )"
    R"(count="8"/><vector id="v4i32" type="int32" count="4"/><vector id="v2i64" type="int64" )"
    R"(count="2"/><union id="vec128"><field name="v4_float" type="v4f"/><field name="v2_double" )"
    R"(type="v2d"/><field name="v16_int8" type="v16i8"/><field name="v8_int16" type="v8i16"/>)"
    R"(<field name="v4_int32" type="v4i32"/><field name="v2_int64" type="v2i64"/><field )"
    R"(name="uint128" type="uint128"/></union>)";
constexpr std::string_view kArmVectors =
    R"(<vector id="v2d" type="ieee_double" count="2"/><vector id="v2u" type="uint64" count="2"/>)"
    R"(<vector id="v4f" type="ieee_single" count="4"/><vector id="v4u" type="uint32" count="4"/>)"
    R"(<union id="vnd"><field name="f" type="v2d"/><field name="u" type="v2u"/></union><union )"
    R"(id="vns"><field name="f" type="v4f"/><field name="u" type="v4u"/></union><union )"
    R"(id="aarch64v"><field name="d" type="vnd"/><field name="s" type="vns"/></union>)";

GdbFeature x86_core(bool is_64) {
  GdbFeature core{.name = "org.gnu.gdb.i386.core", .types = kX86Flags};
  auto& list = core.registers;
  constexpr std::array<std::string_view, 16> kOrder64{"rax", "rbx", "rcx", "rdx", "rsi", "rdi",
                                                      "rbp", "rsp", "r8",  "r9",  "r10", "r11",
                                                      "r12", "r13", "r14", "r15"};
  constexpr std::array<std::string_view, 8> kOrder32{"ax", "cx", "dx", "bx",
                                                     "sp", "bp", "si", "di"};
  if (is_64) {
    for (auto name : kOrder64) {
      bool is_pointer = name == "rbp" || name == "rsp";
      list.push_back({std::string(name), 64, is_pointer ? "data_ptr" : "int64", std::string(name)});
    }
  } else {
    for (auto name : kOrder32) {
      bool is_pointer = name.ends_with("p");
      list.push_back({fmt::format("e{}", name), 32, is_pointer ? "data_ptr" : "int32",
                      fmt::format("r{}", name)});
    }
  }
  list.push_back({is_64 ? "rip" : "eip", is_64 ? 64u : 32u, "code_ptr", "rip"});
  list.push_back({"eflags", 32, "x86_eflags", "rflags"});
  for (std::string name : {"cs", "ss", "ds", "es", "fs", "gs"}) {
    list.push_back({name, 32, "int32", name});
  }
  for (unsigned i = 0; i < 8; ++i) {
    auto name = fmt::format("st{}", i);
    list.push_back({name, 80, "i387_ext", name});
  }
  for (std::string name : {"fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"}) {
    bool is_kept = name == "fctrl" || name == "fstat" || name == "ftag";
    list.push_back({name, 32, "int", is_kept ? name : ""});
  }
  return core;
}

// What only the manuals of the processor know, under a name of our own.
GdbFeature system_registers(std::string_view feature, std::initializer_list<std::string> names) {
  GdbFeature system{.name = feature};
  for (const std::string& name : names) system.registers.push_back({name, 64, "int64", name});
  return system;
}

std::string_view vector_source(const CpuRegisters& cpu) {
  if (cpu.find("zmm0")) return "zmm";
  return cpu.find("ymm0") ? "ymm" : "xmm";
}

GdbTarget x86_target(const CpuRegisters& cpu) {
  bool is_64 = cpu.architecture == CpuArchitecture::X86;
  unsigned vectors = is_64 ? 16 : 8;
  auto source = vector_source(cpu);
  GdbFeature sse{.name = "org.gnu.gdb.i386.sse", .types = kX86Vectors};
  GdbFeature avx{.name = "org.gnu.gdb.i386.avx"};
  for (unsigned i = 0; i < vectors; ++i) {
    auto wide = fmt::format("{}{}", source, i);
    sse.registers.push_back({fmt::format("xmm{}", i), 128, "vec128", wide});
    if (source != "xmm") {
      avx.registers.push_back({fmt::format("ymm{}h", i), 128, "uint128", wide, 2});
    }
  }
  sse.registers.push_back({"mxcsr", 32, "int", "mxcsr"});
  GdbTarget target{is_64 ? "i386:x86-64" : "i386", {x86_core(is_64), std::move(sse)}};
  if (is_64) {
    GdbFeature segments{.name = "org.gnu.gdb.i386.segments"};
    segments.registers.push_back({"fs_base", 64, "int64", "fs_base"});
    segments.registers.push_back({"gs_base", 64, "int64", "gs_base"});
    target.features.push_back(std::move(segments));
  }
  if (!avx.registers.empty()) target.features.push_back(std::move(avx));
  target.features.push_back(
      system_registers("org.vmstream.i386.system", {"cr0", "cr2", "cr3", "cr4", "cr8", "efer"}));
  target.features.back().registers.push_back({"k_gs_base", 64, "int64", "kernel_gs_base"});
  return target;
}

GdbTarget aarch64_target() {
  GdbFeature core{.name = "org.gnu.gdb.aarch64.core"};
  for (unsigned i = 0; i < 31; ++i) {
    auto name = fmt::format("x{}", i);
    core.registers.push_back({name, 64, "int64", name});
  }
  core.registers.push_back({"sp", 64, "data_ptr", "sp"});
  core.registers.push_back({"pc", 64, "code_ptr", "pc"});
  core.registers.push_back({"cpsr", 32, "int32", "pstate"});
  GdbFeature fpu{.name = "org.gnu.gdb.aarch64.fpu", .types = kArmVectors};
  for (unsigned i = 0; i < 32; ++i) {
    auto name = fmt::format("v{}", i);
    fpu.registers.push_back({name, 128, "aarch64v", name});
  }
  fpu.registers.push_back({"fpsr", 32, "int", "fpsr"});
  fpu.registers.push_back({"fpcr", 32, "int", "fpcr"});
  auto system = system_registers(
      "org.vmstream.aarch64.system",
      {"sctlr_el1", "tcr_el1", "ttbr0_el1", "ttbr1_el1", "mair_el1", "vbar_el1", "esr_el1",
       "far_el1", "elr_el1", "spsr_el1", "sp_el0", "tpidr_el0", "tpidr_el1", "contextidr_el1"});
  return {"aarch64", {std::move(core), std::move(fpu), std::move(system)}};
}

// The stream has a bit a register; the debugger wants two, where 3 means empty.
uint64_t full_tags(uint64_t valid) {
  uint64_t tags = 0;
  for (unsigned i = 0; i < 8; ++i) {
    if ((valid >> i & 1) == 0) tags |= uint64_t{3} << (2 * i);
  }
  return tags;
}

}  // namespace

GdbTarget gdb_target(const CpuRegisters& cpu) {
  switch (cpu.architecture) {
    case CpuArchitecture::X86:
    case CpuArchitecture::I386:
      return x86_target(cpu);
    case CpuArchitecture::AArch64:
      return aarch64_target();
    default:
      return {};
  }
}

std::string target_xml(const GdbTarget& target) {
  std::string xml = fmt::format(
      "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
      "<architecture>{}</architecture>",
      target.architecture);
  for (const GdbFeature& feature : target.features) {
    xml += fmt::format("<feature name=\"{}\">{}", feature.name, feature.types);
    for (const GdbRegister& one : feature.registers) {
      xml += fmt::format("<reg name=\"{}\" bitsize=\"{}\" type=\"{}\"/>", one.name, one.bits,
                         one.type);
    }
    xml += "</feature>";
  }
  return xml + "</target>";
}

std::string register_digits(const GdbRegister& wanted, const CpuRegisters& cpu) {
  const CpuRegister* found = wanted.source.empty() ? nullptr : cpu.find(wanted.source);
  size_t size = wanted.bits / 8;
  if (!found) return std::string(2 * size, 'x');
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i) {
    size_t word = wanted.first_word + i / 8;
    uint64_t value = word < found->words.size() ? found->words[word] : 0;
    if (wanted.name == "ftag") value = full_tags(value);
    bytes[i] = static_cast<std::byte>(value >> (8 * (i % 8)));
  }
  return digits_of(bytes);
}

}  // namespace vmstream
