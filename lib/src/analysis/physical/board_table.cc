// SPDX-License-Identifier: MIT
#include "analysis/physical/board_table.h"

#include <array>

namespace vmstream {
namespace {

constexpr uint64_t kAll = UINT64_MAX;
constexpr auto kRom = MemoryKind::Rom;
constexpr auto kDevice = MemoryKind::Device;

constexpr std::array kPlaces{
    // arm, aarch64
    BoardPlace{"", "mach-virt.ram", 0x40000000},
    BoardPlace{"xlnx-zcu102", "ddr-ram", 0, 0, 0x80000000},
    BoardPlace{"xlnx-zcu102", "ddr-ram", 0x800000000, 0x80000000},
    BoardPlace{"xlnx-zcu102", "zynqmp.ocm_ram_bank_0", 0xfffc0000},
    BoardPlace{"xlnx-zcu102", "zynqmp.ocm_ram_bank_1", 0xfffd0000},
    BoardPlace{"xlnx-zcu102", "zynqmp.ocm_ram_bank_2", 0xfffe0000},
    BoardPlace{"xlnx-zcu102", "zynqmp.ocm_ram_bank_3", 0xffff0000},
    BoardPlace{"", "versatile.ram", 0},
    BoardPlace{"", "versatile.flash", 0x34000000, 0, kAll, kRom},
    BoardPlace{"", "vexpress.highmem", 0x60000000},
    BoardPlace{"", "vexpress.sram", 0x48000000},
    BoardPlace{"", "vexpress.vram", 0x4c000000, 0, kAll, kDevice},
    BoardPlace{"", "vexpress.flash0", 0x40000000, 0, kAll, kRom},
    BoardPlace{"", "vexpress.flash1", 0x44000000, 0, kAll, kRom},
    BoardPlace{"raspi", "ram", 0, 0, 0x3f000000},
    BoardPlace{"ast2600", "ram", 0x80000000},
    BoardPlace{"", "mps.ssram1", 0},
    BoardPlace{"", "mps.ssram1", 0x400000},
    BoardPlace{"", "mps.ssram23", 0x20000000},
    BoardPlace{"", "mps.ssram23", 0x20400000},
    BoardPlace{"", "mps.ram", 0x21000000},
    BoardPlace{"", "mps.blockram", 0x1000000},
    BoardPlace{"", "STM32F205.sram", 0x20000000},
    BoardPlace{"", "STM32F205.flash", 0x8000000, 0, kAll, kRom},
    BoardPlace{"", "STM32F205.flash", 0, 0, kAll, kRom},
    // riscv
    BoardPlace{"", "riscv_virt_board.ram", 0x80000000},
    BoardPlace{"", "riscv_virt_board.mrom", 0x1000, 0, kAll, kRom},
    // s390x, power
    BoardPlace{"", "s390.ram", 0},
    BoardPlace{"", "ppc_spapr.ram", 0},
    BoardPlace{"", "pnv.ram", 0},
    BoardPlace{"", "ppc_heathrow.ram", 0},
    BoardPlace{"40p", "simm.0", 0},
    BoardPlace{"40p", "simm.1", 0x800000},
    BoardPlace{"40p", "simm.2", 0x1000000},
    BoardPlace{"40p", "simm.3", 0x1800000},
    // mips, loongarch
    BoardPlace{"", "mips_malta.ram", 0x80000000},
    BoardPlace{"", "mips_malta.ram", 0, 0, 0x10000000},
    BoardPlace{"", "fuloong2e.ram", 0},
    BoardPlace{"", "loongarch.ram", 0, 0, 0x10000000},
    // others
    BoardPlace{"", "hppa.ram", 0},
    BoardPlace{"hppa", "ram", 0},
    BoardPlace{"clipper", "ram", 0},
    BoardPlace{"", "sun4m.ram", 0},
    BoardPlace{"", "sun4u.ram", 0},
    BoardPlace{"", "m68k_virt.ram", 0},
    BoardPlace{"", "petalogix_s3adsp1800.ram", 0x90000000},
    BoardPlace{"", "nios2.ram", 0x8000000},
    BoardPlace{"", "nios2.ram", 0xc8000000},
    BoardPlace{"", "moxiesim.ram", 0x200000},
    BoardPlace{"gdbsim", "ext-sdram", 0x1000000},
    BoardPlace{"arduino-uno", "sram", 0x800400},
    BoardPlace{"arduino-mega", "sram", 0x800200},
    BoardPlace{"arduino", "flash", 0, 0, kAll, kRom},
    BoardPlace{"none", "ram", 0},
};

constexpr std::array kBackends{
    BackendPlace{"riscv_virt_board.mrom", 0x80000000},
    BackendPlace{"virt.flash0", 0x40000000},
};

}  // namespace

std::span<const BoardPlace> board_places() {
  return kPlaces;
}

std::span<const BackendPlace> backend_places() {
  return kBackends;
}

}  // namespace vmstream
