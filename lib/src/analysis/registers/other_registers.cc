// SPDX-License-Identifier: MIT
// RISC-V, POWER and s390: what is numbered by the architecture gets its name, the rest has QEMU's.
#include <fmt/format.h>

#include <array>

#include "analysis/registers/register_list.h"

namespace vmstream {
namespace {

using Group = RegisterGroup;

void add_file(RegisterList& list, RegisterGroup group, std::string_view name, std::string_view path,
              unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    list.add(group, fmt::format("{}{}", name, i), fmt::format("{}[{}]", path, i));
  }
}

struct SpecialRegister {
  unsigned number;
  std::string_view name;
};

constexpr std::array kPowerSpecials{
    SpecialRegister{1, "xer"},     SpecialRegister{8, "lr"},       SpecialRegister{9, "ctr"},
    SpecialRegister{18, "dsisr"},  SpecialRegister{19, "dar"},     SpecialRegister{22, "dec"},
    SpecialRegister{25, "sdr1"},   SpecialRegister{26, "srr0"},    SpecialRegister{27, "srr1"},
    SpecialRegister{28, "cfar"},   SpecialRegister{256, "vrsave"}, SpecialRegister{272, "sprg0"},
    SpecialRegister{273, "sprg1"}, SpecialRegister{274, "sprg2"},  SpecialRegister{275, "sprg3"},
    SpecialRegister{287, "pvr"},   SpecialRegister{304, "hsprg0"}, SpecialRegister{305, "hsprg1"},
    SpecialRegister{314, "hsrr0"}, SpecialRegister{315, "hsrr1"},  SpecialRegister{318, "lpcr"},
    SpecialRegister{319, "lpidr"}, SpecialRegister{464, "ptcr"},
};

}  // namespace

void add_riscv_registers(RegisterList& list) {
  add_file(list, Group::General, "x", "env.gpr", 32);
  list.add(Group::General, "pc", "env.pc");
  add_file(list, Group::Float, "f", "env.fpr", 32);
  list.add_rest();  // the fields bear the names of the CSRs
}

void add_power_registers(RegisterList& list) {
  add_file(list, Group::General, "r", "env.gpr", 32);
  list.add(Group::General, "pc", "env.nip");
  list.add(Group::General, "msr", "env.msr");
  // Eight fields of four bits, the first of which is the highest.
  CpuRegister condition{.name = "cr", .group = Group::General, .bits = 32, .words = {0}};
  if (auto fields = list.find("env.crf")) {
    for (uint64_t field : words_of(*fields)) condition.words[0] = condition.words[0] << 4 | field;
    condition.offset = fields->offset;
    list.leave_out(*fields);
    list.add_value(std::move(condition));
  }
  for (const SpecialRegister& one : kPowerSpecials) {
    list.add(Group::System, one.name, fmt::format("env.spr[{}]", one.number));
  }
  list.add_rest();
}

void add_s390_registers(RegisterList& list) {
  add_file(list, Group::General, "r", "env.regs", 16);
  list.add(Group::General, "pswm", "env.psw.mask");
  list.add(Group::General, "pswa", "env.psw.addr");
  add_file(list, Group::Control, "cr", "env.cregs", 16);
  add_file(list, Group::Control, "acr", "env.aregs", 16);
  for (unsigned i = 0; i < 32; ++i) {  // the first word of each is the higher one
    auto high = list.find(fmt::format("env.vregs[{}][0]", i));
    auto low = list.find(fmt::format("env.vregs[{}][1]", i));
    if (high && i < 16) {
      list.add(Group::Float, fmt::format("f{}", i), fmt::format("env.vregs[{}][0]", i));
    }
    if (!high || !low) continue;
    list.leave_out(*high);
    list.leave_out(*low);
    list.add_value({.name = fmt::format("v{}", i),
                    .group = Group::Vector,
                    .bits = 128,
                    .words = {low->as_unsigned(), high->as_unsigned()},
                    .offset = high->offset});
  }
  list.add_rest();
}

}  // namespace vmstream
