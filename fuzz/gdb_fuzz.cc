// SPDX-License-Identifier: MIT
// Any bytes as what a debugger sends, and as the page tables that it looks through. Beyond not
// crashing: it makes no difference how the bytes are cut into pieces, and no answer is longer than
// a packet.
#include <vmstream/gdb_stub.h>

#include <algorithm>
#include <string>

#include "fuzz_input.h"

using namespace vmstream;
using fuzz::require;

namespace {

CpuRegisters processor() {
  CpuRegisters cpu{.architecture = CpuArchitecture::X86};
  for (auto [name, value] : {std::pair<const char*, uint64_t>{"cr0", 0x80000001},
                             {"cr3", 0},
                             {"cr4", 0x20},
                             {"efer", 0x500}}) {
    cpu.registers.push_back({.name = name, .words = {value}});
  }
  return cpu;
}

// The bytes, over and over.
ReadPhysical memory_of(std::span<const std::byte> bytes) {
  return [bytes](uint64_t address, std::span<std::byte> into) -> Status {
    constexpr uint64_t kMemory = 1u << 20;
    if (bytes.empty() || address > kMemory || into.size() > kMemory - address) {
      return Error{Errc::Unsupported, "no memory"};
    }
    for (size_t i = 0; i < into.size(); ++i) into[i] = bytes[(address + i) % bytes.size()];
    return ok();
  };
}

std::string talk(std::span<const std::byte> bytes, size_t piece) {
  auto stub = GdbStub::make({processor(), processor()}, memory_of(bytes));
  require(static_cast<bool>(stub));
  GdbConnection connection(*stub);
  std::string heard;
  std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  while (!rest.empty()) {
    heard += connection.receive(rest.substr(0, piece));
    rest.remove_prefix(std::min(piece, rest.size()));
  }
  return heard;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  require(talk(input.bytes, 8192) == talk(input.bytes, input.piece));
  auto stub = GdbStub::make({processor()}, memory_of(input.bytes));
  require(static_cast<bool>(stub));
  std::string_view packet(reinterpret_cast<const char*>(input.bytes.data()), input.bytes.size());
  require(stub->answer(packet).size() <= GdbStub::kPacketBytes);
  return 0;
}
