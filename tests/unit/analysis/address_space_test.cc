// SPDX-License-Identifier: MIT
#include <vmstream/address_space.h>
#include <vmstream/gdb_stub.h>

#include <map>

#include "support/catch.h"

using namespace vmstream;

namespace {

/// Memory of words; what was not set is not there, by pages.
struct Memory {
  std::map<uint64_t, uint64_t> words;
  uint64_t bytes = 1u << 24;

  ReadPhysical reader() {
    return [this](uint64_t address, std::span<std::byte> into) -> Status {
      if (address > bytes || into.size() > bytes - address) {
        return Error{Errc::Unsupported, "no memory"};
      }
      for (size_t i = 0; i < into.size(); ++i) {
        auto found = words.find((address + i) & ~7ull);
        uint64_t word = found == words.end() ? 0 : found->second;
        into[i] = static_cast<std::byte>(word >> (8 * ((address + i) % 8)));
      }
      return ok();
    };
  }
};

CpuRegisters cpu_with(CpuArchitecture architecture,
                      std::initializer_list<std::pair<const char*, uint64_t>> values) {
  CpuRegisters cpu{.architecture = architecture};
  for (const auto& [name, value] : values)
    cpu.registers.push_back({.name = name, .words = {value}});
  return cpu;
}

CpuRegisters long_mode(uint64_t root, uint64_t cr4 = 0x20) {
  return cpu_with(CpuArchitecture::X86,
                  {{"cr0", 0x80000001}, {"cr3", root}, {"cr4", cr4}, {"efer", 0x500}});
}

CpuRegisters aarch64() {
  uint64_t control = 16 | 16u << 16 | uint64_t{2} << 30;  // 48 bits, 4 KiB, both halves
  return cpu_with(CpuArchitecture::AArch64, {{"pstate", 5},
                                             {"sctlr_el1", 1},
                                             {"tcr_el1", control},
                                             {"ttbr0_el1", 0x1000},
                                             {"ttbr1_el1", 0x5000}});
}

}  // namespace

TEST_CASE("five levels are walked, and each is told") {
  Memory memory;
  for (uint64_t level = 0; level < 4; ++level) {
    memory.words[0x1000 * (level + 1)] = 0x1000 * (level + 2) | 7;
  }
  memory.words[0x5008] = 0x9000 | 1;
  auto space = AddressSpace::of_cpu(long_mode(0x1000, 0x1020));
  REQUIRE(space);
  auto found = space->translate(0x1234, memory.reader());
  REQUIRE(found);
  CHECK(found->physical == 0x9234);
  CHECK(found->steps.size() == 5);
  CHECK_FALSE(found->writable);
  CHECK(space->translate(0x0100'0000'0000'0000, memory.reader())->why_not ==
        "the address has more than 57 bits");
  CHECK_FALSE(space->translate(0x2000, memory.reader())->physical);
}

TEST_CASE("a table that points to itself ends the listing") {
  Memory memory;
  for (uint64_t i = 0; i < 512; ++i) memory.words[0x1000 + 8 * i] = 0x1000 | 7;
  auto space = AddressSpace::of_cpu(long_mode(0x1000));
  REQUIRE(space);
  uint64_t ranges = 0;
  auto listed = space->list(memory.reader(), [&](const MappedRange&) -> Status {
    if (++ranges > 1000) return Error{Errc::Interrupted, "enough"};
    return ok();
  });
  REQUIRE_FALSE(listed);
  CHECK(space->translate(0x1234, memory.reader())->physical == 0x1234);
}

TEST_CASE("tables outside of memory are no error") {
  Memory memory;
  memory.words[0x1000] = 0xffff'ffff'f000 | 7;
  auto space = AddressSpace::of_cpu(long_mode(0x1000));
  auto found = space->translate(0, memory.reader());
  REQUIRE(found);
  CHECK_FALSE(found->physical);
  CHECK(space->list(memory.reader(), [](const MappedRange&) { return ok(); }));
}

TEST_CASE("aarch64 has a root for each half") {
  Memory memory;
  memory.words[0x1000] = 0x2000 | 3;
  memory.words[0x2000 + 8] = 0x4000'0000 | 1;  // a block of 1 GiB
  memory.words[0x5000 + 8 * 511] = 0x6000 | 3;
  memory.words[0x6000 + 8 * 511] = 0x7000 | 3;
  memory.words[0x7000 + 8 * 511] = 0x8000 | 3;
  memory.words[0x8000 + 8 * 511] = 0x9000 | 3;
  auto space = AddressSpace::of_cpu(aarch64());
  REQUIRE(space);
  CHECK(space->translate(0x4012'3456, memory.reader())->physical == 0x4012'3456);
  CHECK(space->translate(0xffff'ffff'ffff'f123, memory.reader())->physical == 0x9123);
  CHECK_FALSE(space->translate(0, memory.reader())->physical);
}

TEST_CASE("a debugger's packets are answered however they are cut") {
  Memory memory;
  memory.words[0x1000] = 0x1122334455667788;
  auto cpu = cpu_with(CpuArchitecture::X86, {{"cr0", 1}, {"cr3", 0}, {"cr4", 0}, {"efer", 0}});
  auto talk = [&](size_t piece) {
    auto stub = GdbStub::make({cpu}, memory.reader());
    REQUIRE(stub);
    GdbConnection connection(*stub);
    std::string said = "+$m1000,8#92$?#3f$M0,1:00#xx$c#63$QStartNoAckMode#b0$D#44$g#67";
    std::string heard;
    for (size_t i = 0; i < said.size(); i += piece) {
      heard += connection.receive(std::string_view(said).substr(i, piece));
    }
    CHECK(stub->has_ended());
    return heard;
  };
  std::string whole = talk(1000);
  CHECK(whole == talk(1));
  CHECK(whole.starts_with("+$8877665544332211#"));
  CHECK(whole.find("$T05thread:01;#") != std::string::npos);
  CHECK(whole.find("does not run") != std::string::npos);
}

TEST_CASE("a packet cannot ask for more than one holds") {
  Memory memory;
  auto cpu = cpu_with(CpuArchitecture::X86, {{"cr0", 1}, {"cr3", 0}, {"cr4", 0}, {"efer", 0}});
  auto stub = GdbStub::make({cpu}, memory.reader());
  REQUIRE(stub);
  CHECK(stub->answer("m0,ffffffffffffffff").size() < GdbStub::kPacketBytes);
  CHECK(stub->answer("mffffffffffffffff,10") == "E14");
  CHECK(stub->answer("qXfer:features:read:target.xml:ffffffffffffffff,1") == "E01");
  CHECK(stub->answer("X0,1:a").starts_with("E."));
  CHECK(stub->answer("vCont?").empty());
  GdbConnection connection(*stub);
  CHECK(connection.receive("$" + std::string(100000, 'm') + "#00") == "-");
}
