// SPDX-License-Identifier: MIT
#include <vmstream/gdb_stub.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "analysis/gdb_stub/packet_text.h"
#include "analysis/gdb_stub/target_description.h"

namespace vmstream {
namespace {

constexpr std::string_view kDone = "OK";
constexpr std::string_view kNoSuchThing = "E01";
constexpr std::string_view kNoMemory = "E14";
constexpr std::string_view kReadOnly = "E.a saved guest cannot be changed";
constexpr std::string_view kDoesNotRun = "E.a saved guest does not run";
constexpr std::string_view kHelp =
    "physical on|off     memory by physical or by virtual addresses\n"
    "translate ADDRESS   where a virtual address of this processor leads to (hexadecimal)\n"
    "help                this\n"
    "This is a saved guest: it can be read, and neither run nor changed.\n";

// Takes `front` off the text, if it begins so.
bool take(std::string_view& text, std::string_view front) {
  if (!text.starts_with(front)) return false;
  text.remove_prefix(front.size());
  return true;
}

}  // namespace

struct GdbStub::State {
  std::vector<CpuRegisters> cpus;
  ReadPhysical read;
  std::vector<GdbRegister> registers = {};  // in order of their numbers
  std::string xml = {};
  size_t chosen = 0;
  bool is_physical = false;
  bool has_ended = false;

  std::string answer(std::string_view packet);
  std::string answer_query(std::string_view packet);
  std::string choose_thread(std::string_view packet);
  std::string all_registers() const;
  std::string one_register(std::string_view number) const;
  std::string memory(std::string_view range, bool as_bytes);
  std::vector<std::byte> read_memory(uint64_t address, size_t length) const;
  std::string document(std::string_view request) const;
  std::string threads() const;
  std::string monitor(std::string_view command);
  std::string translate(std::string_view address) const;
  // By the number in a packet; empty for a processor that there is not.
  std::optional<size_t> thread_of(std::string_view number) const;
};

std::optional<size_t> GdbStub::State::thread_of(std::string_view number) const {
  if (number == "0" || number == "-1") return chosen;
  auto parsed = parse_hex(number);
  if (!parsed || *parsed == 0 || *parsed > cpus.size()) return std::nullopt;
  return *parsed - 1;
}

std::string GdbStub::State::choose_thread(std::string_view packet) {
  if (packet.empty()) return std::string(kNoSuchThing);
  auto thread = thread_of(packet.substr(1));
  if (!thread) return std::string(kNoSuchThing);
  if (packet.front() == 'g') chosen = *thread;
  return std::string(kDone);
}

std::string GdbStub::State::all_registers() const {
  std::string digits;
  for (const GdbRegister& one : registers) digits += register_digits(one, cpus[chosen]);
  return digits;
}

std::string GdbStub::State::one_register(std::string_view number) const {
  auto parsed = parse_hex(number);
  if (!parsed || *parsed >= registers.size()) return std::string(kNoSuchThing);
  return register_digits(registers[*parsed], cpus[chosen]);
}

// As many bytes as there are, from the front on.
std::vector<std::byte> GdbStub::State::read_memory(uint64_t address, size_t length) const {
  std::vector<std::byte> bytes(length);
  auto space = AddressSpace::of_cpu(cpus[chosen]);
  size_t done = 0;
  while (done < length) {
    constexpr uint64_t kPiece = 4096;  // the smallest page
    uint64_t from = address + done;
    size_t piece = std::min<uint64_t>(length - done, kPiece - from % kPiece);
    auto into = std::span(bytes).subspan(done, piece);
    Status status = ok();
    if (is_physical) {
      status = read(from, into);
    } else if (space) {
      status = space->read(from, into, read);
    } else {
      status = space.error();
    }
    if (!status) break;
    done += piece;
  }
  bytes.resize(done);
  return bytes;
}

std::string GdbStub::State::memory(std::string_view range, bool as_bytes) {
  auto wanted = parse_range(range);
  if (!wanted) return std::string(kNoSuchThing);
  // Two digits a byte, or an escape before each.
  constexpr uint64_t kMostBytes = kPacketBytes / 2 - 16;
  auto bytes = read_memory(wanted->address, std::min(wanted->length, kMostBytes));
  if (bytes.empty() && wanted->length > 0) return std::string(kNoMemory);
  if (!as_bytes) return digits_of(bytes);
  std::string content = "b";
  for (std::byte byte : bytes) content += static_cast<char>(byte);
  return content;
}

// "target.xml:OFFSET,LENGTH"
std::string GdbStub::State::document(std::string_view request) const {
  if (!take(request, "target.xml:")) return "E00";
  auto range = parse_range(request);
  if (!range || range->address > xml.size()) return std::string(kNoSuchThing);
  constexpr uint64_t kMostBytes = kPacketBytes / 2 - 16;
  auto piece = xml.substr(range->address, std::min(range->length, kMostBytes));
  bool is_last = range->address + piece.size() == xml.size();
  return (is_last ? "l" : "m") + piece;
}

std::string GdbStub::State::threads() const {
  constexpr size_t kMostThreads = 1024;  // what a packet holds
  std::string list = "m";
  for (size_t i = 0; i < std::min(cpus.size(), kMostThreads); ++i) {
    list += fmt::format("{}{:x}", i == 0 ? "" : ",", i + 1);
  }
  return list;
}

std::string GdbStub::State::translate(std::string_view address) const {
  take(address, "0x");
  auto parsed = parse_hex(address);
  if (!parsed) return "translate wants an address in hexadecimal digits\n";
  auto space = AddressSpace::of_cpu(cpus[chosen]);
  if (!space) return space.error().message + "\n";
  auto found = space->translate(*parsed, read);
  if (!found) return found.error().message + "\n";
  return found->physical ? fmt::format("{:#x}\n", *found->physical) : found->why_not + "\n";
}

std::string GdbStub::State::monitor(std::string_view command) {
  if (command == "physical on" || command == "physical off") {
    is_physical = command == "physical on";
    return std::string(kDone);
  }
  if (take(command, "translate ")) return digits_of(translate(command));
  return digits_of(kHelp);
}

std::string GdbStub::State::answer_query(std::string_view packet) {
  if (take(packet, "Supported")) {
    return fmt::format("PacketSize={:x};qXfer:features:read+;QStartNoAckMode+", kPacketBytes);
  }
  if (take(packet, "Xfer:features:read:")) return document(packet);
  if (packet == "C") return fmt::format("QC{:x}", chosen + 1);
  if (packet == "fThreadInfo") return threads();
  if (packet == "sThreadInfo") return "l";
  if (packet == "Attached" || packet.starts_with("Attached:")) return "1";
  if (packet == "Symbol::") return std::string(kDone);
  if (packet == "qemu.PhyMemMode") return is_physical ? "1" : "0";
  if (take(packet, "ThreadExtraInfo,")) {
    auto thread = thread_of(packet);
    if (!thread) return std::string(kNoSuchThing);
    return digits_of(fmt::format("CPU#{} [saved]", cpus[*thread].instance_id));
  }
  if (take(packet, "Rcmd,")) return monitor(text_of_hex(packet));
  return {};
}

std::string GdbStub::State::answer(std::string_view packet) {
  if (packet.empty()) return {};
  char kind = packet.front();
  auto rest = packet.substr(1);
  switch (kind) {
    case '?':
      return fmt::format("T05thread:{:02x};", chosen + 1);
    case 'g':
      return all_registers();
    case 'p':
      return one_register(rest);
    case 'm':
    case 'x':
      return memory(rest, kind == 'x');
    case 'H':
      return choose_thread(rest);
    case 'T':
      return std::string(thread_of(rest) ? kDone : kNoSuchThing);
    case 'q':
      return answer_query(rest);
    case 'Q':
      if (rest == "StartNoAckMode") return std::string(kDone);
      if (!take(rest, "qemu.PhyMemMode:") || (rest != "0" && rest != "1")) return {};
      is_physical = rest == "1";
      return std::string(kDone);
    case 'D':
      has_ended = true;
      return std::string(kDone);
    case 'k':
      has_ended = true;
      return {};
    case 'G':
    case 'P':
    case 'M':
    case 'X':
      return std::string(kReadOnly);
    case 'c':
    case 'C':
    case 's':
    case 'S':
      return std::string(kDoesNotRun);
    default:
      return {};
  }
}

Result<GdbStub> GdbStub::make(std::vector<CpuRegisters> cpus, ReadPhysical read) {
  if (cpus.empty()) return Error{Errc::Unsupported, "the guest has no processor"};
  auto target = gdb_target(cpus.front());
  if (target.features.empty()) {
    return Error{Errc::Unsupported,
                 fmt::format("a debugger is served for x86-64, i386 and aarch64, not for {}",
                             name_of(cpus.front().architecture))};
  }
  auto state = std::make_unique<State>(State{.cpus = std::move(cpus), .read = std::move(read)});
  for (const GdbFeature& feature : target.features) {
    for (const GdbRegister& one : feature.registers) state->registers.push_back(one);
  }
  state->xml = target_xml(target);
  return GdbStub(std::move(state));
}

GdbStub::GdbStub(std::unique_ptr<State> state) : state_(std::move(state)) {}
GdbStub::GdbStub(GdbStub&&) noexcept = default;
GdbStub::~GdbStub() = default;

std::string GdbStub::answer(std::string_view packet) {
  return state_->answer(packet);
}

bool GdbStub::has_ended() const {
  return state_->has_ended;
}

}  // namespace vmstream
