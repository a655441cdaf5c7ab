// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <array>
#include <map>

#include "analysis/registers/flag_names.h"
#include "analysis/registers/register_list.h"

namespace vmstream {
namespace {

using Group = RegisterGroup;

constexpr std::array<std::string_view, 16> kGeneral{"rax", "rbx", "rcx", "rdx", "rsi", "rdi",
                                                    "rbp", "rsp", "r8",  "r9",  "r10", "r11",
                                                    "r12", "r13", "r14", "r15"};
constexpr std::array kSegments{
    RegisterPlace{"cs", "env.segs[1]"}, RegisterPlace{"ss", "env.segs[2]"},
    RegisterPlace{"ds", "env.segs[3]"}, RegisterPlace{"es", "env.segs[0]"},
    RegisterPlace{"fs", "env.segs[4]"}, RegisterPlace{"gs", "env.segs[5]"},
    RegisterPlace{"ldt", "env.ldt"},    RegisterPlace{"tr", "env.tr"},
};
constexpr std::array kControl{
    RegisterPlace{"cr0", "env.cr[0]"},         RegisterPlace{"cr2", "env.cr[2]"},
    RegisterPlace{"cr3", "env.cr[3]"},         RegisterPlace{"cr4", "env.cr[4]"},
    RegisterPlace{"dr0", "env.dr[0]"},         RegisterPlace{"dr1", "env.dr[1]"},
    RegisterPlace{"dr2", "env.dr[2]"},         RegisterPlace{"dr3", "env.dr[3]"},
    RegisterPlace{"dr6", "env.dr[6]"},         RegisterPlace{"dr7", "env.dr[7]"},
    RegisterPlace{"a20_mask", "env.a20_mask"}, RegisterPlace{"xcr0", "env.xcr0"},
    RegisterPlace{"pkru", "env.pkru"},
};
// By the names of the manuals; behind a slash would stand a number, which nobody remembers.
constexpr std::array kMsrs{
    RegisterPlace{"efer", "env.efer"},
    RegisterPlace{"star", "env.star"},
    RegisterPlace{"lstar", "env.lstar"},
    RegisterPlace{"cstar", "env.cstar"},
    RegisterPlace{"sfmask", "env.fmask"},
    RegisterPlace{"kernel_gs_base", "env.kernelgsbase"},
    RegisterPlace{"sysenter_cs", "env.sysenter_cs"},
    RegisterPlace{"sysenter_esp", "env.sysenter_esp"},
    RegisterPlace{"sysenter_eip", "env.sysenter_eip"},
    RegisterPlace{"pat", "env.pat"},
    RegisterPlace{"tsc", "env.tsc"},
    RegisterPlace{"tsc_aux", "env.tsc_aux"},
    RegisterPlace{"tsc_adjust", "env.tsc_adjust"},
    RegisterPlace{"tsc_deadline", "env.tsc_deadline"},
    RegisterPlace{"misc_enable", "env.msr_ia32_misc_enable"},
    RegisterPlace{"feature_control", "env.msr_ia32_feature_control"},
    RegisterPlace{"spec_ctrl", "env.spec_ctrl"},
    RegisterPlace{"virt_ssbd", "env.virt_ssbd"},
    RegisterPlace{"xss", "env.xss"},
    RegisterPlace{"bndcfgs", "env.msr_bndcfgs"},
    RegisterPlace{"smbase", "env.smbase"},
    RegisterPlace{"smi_count", "env.msr_smi_count"},
    RegisterPlace{"pkrs", "env.pkrs"},
    RegisterPlace{"mtrr_def_type", "env.mtrr_deftype"},
    RegisterPlace{"mcg_cap", "env.mcg_cap"},
    RegisterPlace{"mcg_status", "env.mcg_status"},
    RegisterPlace{"mcg_ctl", "env.mcg_ctl"},
    RegisterPlace{"vm_hsave_pa", "env.vm_hsave"},
    RegisterPlace{"kvm_system_time", "env.system_time_msr"},
    RegisterPlace{"kvm_wall_clock", "env.wall_clock_msr"},
    RegisterPlace{"kvm_async_pf_en", "env.async_pf_en_msr"},
    RegisterPlace{"kvm_pv_eoi_en", "env.pv_eoi_en_msr"},
    RegisterPlace{"kvm_steal_time", "env.steal_time_msr"},
    RegisterPlace{"kvm_poll_control", "env.poll_control_msr"},
    RegisterPlace{"hv_guest_os_id", "env.msr_hv_guest_os_id"},
    RegisterPlace{"hv_hypercall", "env.msr_hv_hypercall"},
    RegisterPlace{"hv_vapic", "env.msr_hv_vapic"},
    RegisterPlace{"hv_tsc", "env.msr_hv_tsc"},
};

void add_segment(RegisterList& list, const RegisterPlace& place) {
  std::string name(place.name);
  std::string path(place.path);
  auto flags = list.find(path + ".flags");
  if (auto* selector = list.add(Group::Segment, name, path + ".selector")) {
    selector->bits = 16;
    if (flags) selector->meaning = x86_segment_meaning(flags->as_unsigned());
  }
  list.add(Group::Segment, name + "_base", path + ".base");
  list.add(Group::Segment, name + "_limit", path + ".limit");
  list.add(Group::Segment, name + "_flags", path + ".flags");
}

void add_table(RegisterList& list, std::string_view name) {
  list.add(Group::Segment, fmt::format("{}_base", name), fmt::format("env.{}.base", name));
  list.add(Group::Segment, fmt::format("{}_limit", name), fmt::format("env.{}.limit", name));
}

// "env.fpregs" are the eight registers by number; the stack's top is told by the status word.
void add_x87(RegisterList& list) {
  constexpr unsigned kExponentAndSign = 16;
  unsigned top = 0;
  list.add(Group::Float, "fctrl", "env.fpuc");
  if (auto* status = list.add(Group::Float, "fstat", "env.fpus_vmstate")) {
    top = status->value() >> 11 & 7;
  }
  list.add(Group::Float, "ftag", "env.fptag_vmstate");
  for (unsigned i = 0; i < 8; ++i) {
    auto found = list.find(fmt::format("env.fpregs[{}]", (top + i) % 8));
    constexpr size_t kBytes = 10;  // mantissa, then exponent
    if (!found || found->bytes.size() != kBytes) return;
    CpuRegister made{.name = fmt::format("st{}", i), .group = Group::Float, .bits = 80};
    uint64_t mantissa = 0;
    for (std::byte byte : found->bytes.first(8)) {
      mantissa = mantissa << 8 | std::to_integer<uint64_t>(byte);
    }
    uint64_t exponent = std::to_integer<uint64_t>(found->bytes[8]) << (kExponentAndSign - 8) |
                        std::to_integer<uint64_t>(found->bytes[9]);
    made.words = {mantissa, exponent};
    made.offset = found->offset;
    list.add_value(std::move(made));
  }
}

// Vector registers are in pieces: lists of 16 whose elements hold some of the words of a register,
// by number. A list that begins with word 0 once more is of registers 16 to 31.
class VectorPieces {
 public:
  void read(const std::vector<DeviceField>& fields,
            const std::vector<DeviceSubsection>& subsections) {
    for (const auto& field : fields) {
      if (field.name.starts_with("env.xmm_regs") && field.kind == ValueKind::List) take(field);
    }
    for (const auto& subsection : subsections) read(subsection.fields, subsection.subsections);
  }

  void add_to(RegisterList& list) const {
    constexpr std::array<std::pair<size_t, std::string_view>, 3> kNames{
        {{8, "zmm"}, {4, "ymm"}, {2, "xmm"}}};
    size_t most = 0;
    for (const auto& [number, words] : words_) most = std::max(most, words.size());
    for (const auto& [size, name] : kNames) {
      if (most < size) continue;
      for (const auto& [number, words] : words_) {
        CpuRegister made{.name = fmt::format("{}{}", name, number),
                         .group = Group::Vector,
                         .bits = static_cast<uint32_t>(64 * size),
                         .words = words,
                         .offset = offsets_.at(number)};
        made.words.resize(size);
        list.add_value(std::move(made));
      }
      return;  // the narrower ones are parts of these
    }
  }

 private:
  void take(const DeviceField& pieces) {
    constexpr unsigned kRegisters = 16;
    unsigned base = 0;
    bool first = true;
    for (const auto& element : pieces.fields) {
      for (const auto& word : element.fields) {
        auto number = word_number(word.name);
        if (!number || !element.index || *element.index >= kRegisters) continue;
        if (first && *number == 0 && !words_.empty()) base = kRegisters;
        first = false;
        unsigned target = base + static_cast<unsigned>(*element.index);
        auto& words = words_[target];
        if (words.size() <= *number) words.resize(*number + 1);
        words[*number] = word.as_unsigned();
        offsets_.try_emplace(target, element.offset);
      }
    }
  }

  // "_q_ZMMReg[2]"
  static std::optional<size_t> word_number(std::string_view name) {
    size_t bracket = name.rfind('[');
    if (bracket == std::string_view::npos || bracket + 3 != name.size()) return std::nullopt;
    char digit = name[bracket + 1];
    if (digit < '0' || digit > '7') return std::nullopt;
    return static_cast<size_t>(digit - '0');
  }

  std::map<unsigned, std::vector<uint64_t>> words_;
  std::map<unsigned, uint64_t> offsets_;
};

void add_numbered(RegisterList& list, RegisterGroup group, std::string_view name,
                  std::string_view path, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    list.add(group, fmt::format("{}{}", name, i), fmt::format("{}[{}]", path, i));
  }
}

void add_msrs(RegisterList& list) {
  for (const RegisterPlace& place : kMsrs) list.add(Group::Msr, place.name, place.path);
  add_numbered(list, Group::Msr, "mtrr_fixed", "env.mtrr_fixed", 11);
  for (unsigned i = 0; i < 8; ++i) {
    list.add(Group::Msr, fmt::format("mtrr_base{}", i), fmt::format("env.mtrr_var[{}].base", i));
    list.add(Group::Msr, fmt::format("mtrr_mask{}", i), fmt::format("env.mtrr_var[{}].mask", i));
  }
}

}  // namespace

void add_x86_registers(RegisterList& list) {
  for (std::string_view name : kGeneral) list.add_known(Group::General, name);
  list.add_known(Group::General, "rip");
  list.add_known(Group::General, "rflags");
  for (const RegisterPlace& place : kSegments) add_segment(list, place);
  add_table(list, "gdt");
  add_table(list, "idt");
  list.add_all(Group::Control, kControl);
  add_msrs(list);
  add_x87(list);
  list.add(Group::Vector, "mxcsr", "env.mxcsr");
  VectorPieces pieces;
  pieces.read(list.state().fields, list.state().subsections);
  pieces.add_to(list);
  add_numbered(list, Group::Vector, "k", "env.opmask_regs", 8);
  list.explain(x86_meaning);
}

void add_apic_registers(RegisterList& list, const DeviceState& apic) {
  RegisterList own(apic);
  constexpr std::array kPlaces{
      RegisterPlace{"apic_base", "apicbase"},
      RegisterPlace{"apic_id", "id"},
      RegisterPlace{"apic_tpr", "tpr"},
      RegisterPlace{"apic_ldr", "log_dest"},
      RegisterPlace{"apic_dfr", "dest_mode"},
      RegisterPlace{"apic_svr", "spurious_vec"},
      RegisterPlace{"apic_isr", "isr"},
      RegisterPlace{"apic_tmr", "tmr"},
      RegisterPlace{"apic_irr", "irr"},
      RegisterPlace{"apic_esr", "esr"},
      RegisterPlace{"apic_icr", "icr"},
      RegisterPlace{"apic_lvt_timer", "lvt[0]"},
      RegisterPlace{"apic_lvt_thermal", "lvt[1]"},
      RegisterPlace{"apic_lvt_perf", "lvt[2]"},
      RegisterPlace{"apic_lvt_lint0", "lvt[3]"},
      RegisterPlace{"apic_lvt_lint1", "lvt[4]"},
      RegisterPlace{"apic_lvt_error", "lvt[5]"},
      RegisterPlace{"apic_timer_initial", "initial_count"},
      RegisterPlace{"apic_timer_divide", "divide_conf"},
  };
  own.add_all(Group::Apic, kPlaces);
  own.explain(x86_meaning);
  for (CpuRegister& one : own.take()) {
    if (one.words.size() > 1) {  // words of 32 bits
      std::vector<uint64_t> wide((one.words.size() + 1) / 2);
      for (size_t i = 0; i < one.words.size(); ++i) wide[i / 2] |= one.words[i] << (32 * (i % 2));
      one.words = std::move(wide);
    }
    if (one.name == "apic_tpr") {
      list.add_value({.name = "cr8",
                      .group = Group::Control,
                      .words = {one.value() >> 4},
                      .offset = one.offset});
    }
    list.add_value(std::move(one));
  }
}

}  // namespace vmstream
