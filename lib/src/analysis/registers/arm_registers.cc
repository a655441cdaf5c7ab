// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "analysis/registers/arm_system_names.h"
#include "analysis/registers/flag_names.h"
#include "analysis/registers/register_list.h"

namespace vmstream {
namespace {

using Group = RegisterGroup;

// Two arrays of one length: numbers of registers, and their values.
void add_system(RegisterList& list) {
  auto indexes = list.find("cpreg_vmstate_indexes");
  auto values = list.find("cpreg_vmstate_values");
  if (!indexes || !values) return;
  uint64_t count = std::min(indexes->array_len.value_or(0), values->array_len.value_or(0));
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t index = indexes->element(i).as_unsigned();
    DeviceField value = values->element(i);
    list.add_value({.name = arm_system_name(index),
                    .group = Group::System,
                    .bits = arm_system_bits(index),
                    .words = {value.as_unsigned()},
                    .offset = value.offset});
  }
}

constexpr std::array kAArch64Banked{
    RegisterPlace{"elr_el1", "env.elr_el[1]"}, RegisterPlace{"elr_el2", "env.elr_el[2]"},
    RegisterPlace{"elr_el3", "env.elr_el[3]"}, RegisterPlace{"sp_el0", "env.sp_el[0]"},
    RegisterPlace{"sp_el1", "env.sp_el[1]"},   RegisterPlace{"sp_el2", "env.sp_el[2]"},
    RegisterPlace{"sp_el3", "env.sp_el[3]"},
};

// The first 128 bits of a vector register, and with SVE the rest of it.
void add_vectors(RegisterList& list) {
  auto rest = list.find("env.vfp.zregs");
  for (unsigned i = 0; i < 32; ++i) {
    auto first = list.find(fmt::format("env.vfp.zregs[{}].d", i));
    if (!first) continue;
    auto words = words_of(*first);
    words.resize(2);
    list.add_value({.name = fmt::format("v{}", i),
                    .group = Group::Vector,
                    .bits = 128,
                    .words = words,
                    .offset = first->offset});
    if (!rest || rest->kind != ValueKind::List || i >= rest->fields.size()) continue;
    auto more = words_of(rest->fields[i]);
    words.insert(words.end(), more.begin(), more.end());
    list.add_value({.name = fmt::format("z{}", i),
                    .group = Group::Vector,
                    .bits = static_cast<uint32_t>(64 * words.size()),
                    .words = words,
                    .offset = first->offset});
  }
}

// One field, until QEMU made two of it, holds both registers of AArch64.
void add_float_status(RegisterList& list) {
  constexpr uint64_t kStatusBits = 0xf800009f;
  constexpr uint64_t kControlBits = 0x07ff9f00;
  auto both = list.find("fpscr");
  if (!both) both = list.find("env.vfp.fpscr");
  if (both) {
    uint64_t value = words_of(*both).empty() ? 0 : words_of(*both).front();
    list.add_value({.name = "fpsr",
                    .group = Group::Float,
                    .bits = 32,
                    .words = {value & kStatusBits},
                    .offset = both->offset});
    list.add_value({.name = "fpcr",
                    .group = Group::Float,
                    .bits = 32,
                    .words = {value & kControlBits},
                    .offset = both->offset});
    return;
  }
  for (std::string_view name : {"fpsr", "fpcr"}) {
    for (std::string_view before : {"", "env.vfp."}) {
      if (list.add(Group::Float, name, fmt::format("{}{}", before, name))) break;
    }
  }
}

}  // namespace

void add_aarch64_registers(RegisterList& list) {
  for (unsigned i = 0; i < 31; ++i) {
    list.add(Group::General, fmt::format("x{}", i), fmt::format("env.xregs[{}]", i));
  }
  list.add(Group::General, "sp", "env.xregs[31]");
  list.add(Group::General, "pc", "env.pc");
  if (auto* state = list.add(Group::General, "pstate", "cpsr")) {
    state->meaning = aarch64_pstate_meaning(state->value());
  }
  list.add_all(Group::System, kAArch64Banked);
  list.add(Group::System, "spsr_el1", "env.banked_spsr[1]");
  add_system(list);
  add_float_status(list);
  add_vectors(list);
}

void add_arm_registers(RegisterList& list) {
  for (unsigned i = 0; i < 13; ++i) {
    list.add(Group::General, fmt::format("r{}", i), fmt::format("env.regs[{}]", i));
  }
  list.add(Group::General, "sp", "env.regs[13]");
  list.add(Group::General, "lr", "env.regs[14]");
  list.add(Group::General, "pc", "env.regs[15]");
  list.add(Group::General, "cpsr", "cpsr");
  add_system(list);
  add_float_status(list);
  add_vectors(list);
}

}  // namespace vmstream
