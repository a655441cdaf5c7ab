// SPDX-License-Identifier: MIT
// A saved guest for a debugger: GDB's remote protocol over registers and memory that do not change.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/address_space.h>
#include <vmstream/cpu_registers.h>
#include <vmstream/result.h>

namespace vmstream {

/// Answers packets: one in, one out. Each processor is a thread, the first has number 1. Memory is
/// read by the virtual addresses of the thread in hand, or by physical ones after
/// Qqemu.PhyMemMode:1, as QEMU's own stub has it. What would change or run the guest is refused.
///
/// Packets are untrusted: nothing that they ask for takes more memory than a packet has.
/// Used by one thread at a time.
class GdbStub {
 public:
  /// Errc::Unsupported for other architectures than x86-64, i386 and aarch64, and for no processor.
  static Result<GdbStub> make(std::vector<CpuRegisters> cpus, ReadPhysical read);
  GdbStub(GdbStub&&) noexcept;
  ~GdbStub();

  /// The content of the answer to the content of a packet, both unescaped. Empty for a packet that
  /// is not known, as the protocol wants it.
  std::string answer(std::string_view packet);
  /// Whether the debugger has taken its leave.
  bool has_ended() const;

  static constexpr size_t kPacketBytes = 0x4000;  ///< the longest packet, either way

 private:
  struct State;
  explicit GdbStub(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// The frames around packets: checksums, acknowledgements, escapes. Bytes in, bytes out.
class GdbConnection {
 public:
  /// `stub` is borrowed.
  explicit GdbConnection(GdbStub& stub) : stub_(stub) {}

  /// What is to be sent for what has come; any number of bytes, cut anywhere.
  std::string receive(std::string_view bytes);

 private:
  void take(char byte, std::string& out);
  void finish_packet(std::string& out);

  enum class Place { Outside, Inside, FirstDigit, SecondDigit };
  GdbStub& stub_;
  Place place_ = Place::Outside;
  std::string packet_;  // as it came, escapes included
  char digit_ = 0;
  bool is_too_long_ = false;
  bool acknowledges_ = true;
  std::string last_;  // framed, in case it is asked for once more
};

}  // namespace vmstream
