// SPDX-License-Identifier: MIT
// memory and translate: bytes at addresses, and where virtual addresses lead.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include <vmstream/text.h>
#include "common/output.h"
#include "common/terminal.h"
#include "vmstream-inspect/commands/commands.h"
#include "vmstream-inspect/commands/guest_addresses.h"
#include "vmstream-inspect/print/device_view.h"
#include "vmstream-inspect/print/printer.h"

namespace vminspect {

using nlohmann::ordered_json;
using vmstream::Errc;
using vmstream::Error;
using vmstream::Result;
using vmstream::Status;
using vmtools::ExitStatus;
using vmtools::print;
using vmtools::print_json;
using vmtools::Session;

namespace {

constexpr uint64_t kDefaultBytes = 256;
constexpr size_t kShownInRow = 16;
constexpr size_t kPieceBytes = 64 * 1024;
constexpr uint64_t kMostJsonBytes = 16u << 20;

struct Wanted {
  uint64_t address = 0;
  uint64_t length = kDefaultBytes;
};

// "ADDRESS" or "ADDRESS,LENGTH"
Result<Wanted> parse_wanted(const std::string& text) {
  size_t comma = text.find(',');
  auto address = vmstream::parse_size(text.substr(0, comma));
  if (!address) return address.error();
  Wanted wanted{.address = *address};
  if (comma == std::string::npos) return wanted;
  auto length = vmstream::parse_size(text.substr(comma + 1));
  if (!length) return length.error();
  wanted.length = *length;
  if (wanted.length > UINT64_MAX - wanted.address) {
    return Error{Errc::Usage, "the address space ends within that length"};
  }
  return wanted;
}

std::string row_text(uint64_t address, std::span<const std::byte> row) {
  std::string shown;
  for (std::byte byte : row) {
    char c = static_cast<char>(byte);
    shown += c >= ' ' && c <= '~' ? c : '.';
  }
  return fmt::format("{:016x}  {:<47} |{}|\n", address, hex_text(row, " "), shown);
}

// Gives the bytes in pieces, the last of which may be short.
Status read_pieces(const Wanted& wanted, const vmstream::ReadPhysical& read,
                   const std::function<void(uint64_t, std::span<const std::byte>)>& take) {
  std::vector<std::byte> piece(std::min<uint64_t>(wanted.length, kPieceBytes));
  for (uint64_t done = 0; done < wanted.length && vmtools::output_status();) {
    auto into = std::span(piece).first(std::min<uint64_t>(piece.size(), wanted.length - done));
    if (auto status = read(wanted.address + done, into); !status) return status;
    take(wanted.address + done, into);
    done += into.size();
  }
  return vmstream::ok();
}

Status print_bytes_json(const AddressedGuest& guest, const Wanted& wanted, bool is_virtual,
                        const vmstream::ReadPhysical& read) {
  if (wanted.length > kMostJsonBytes) {
    return Error{Errc::Usage,
                 fmt::format("--json shows {} bytes at most; --raw has no limit", kMostJsonBytes)};
  }
  std::string digits;
  auto done = read_pieces(
      wanted, read, [&](uint64_t, std::span<const std::byte> bytes) { digits += hex_text(bytes); });
  if (!done) return done;
  auto json = opening_json("vmstream.memory/1", guest.guest.devices.reading.subject);
  json["address"] = wanted.address;
  json["virtual"] = is_virtual;
  json["length"] = wanted.length;
  json["bytes"] = std::move(digits);
  print_json(json);
  return vmstream::ok();
}

void print_bytes(bool raw, uint64_t address, std::span<const std::byte> bytes) {
  if (raw) return print({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  for (size_t i = 0; i < bytes.size(); i += kShownInRow) {
    print(row_text(address + i, bytes.subspan(i, std::min(kShownInRow, bytes.size() - i))));
  }
}

ordered_json translation_json(uint64_t address, const vmstream::CpuRegisters& cpu,
                              const vmstream::AddressSpace& space,
                              const vmstream::Translation& found) {
  ordered_json json{
      {"address", address}, {"cpu", cpu.instance_id}, {"mode", name_of(space.mode())}};
  json["levels"] = ordered_json::array();
  for (const auto& step : found.steps) {
    json["levels"].push_back({{"level", step.level},
                              {"address", step.address},
                              {"entry", step.entry},
                              {"entry_hex", fmt::format("{:#x}", step.entry)}});
  }
  json["physical_address"] = found.physical ? ordered_json(*found.physical) : ordered_json(nullptr);
  json["page_size"] = found.page_bytes;
  json["writable"] = found.physical && found.writable;
  json["user"] = found.physical && found.user;
  json["executable"] = found.physical && found.executable;
  json["reason"] = found.why_not.empty() ? ordered_json(nullptr) : ordered_json(found.why_not);
  return json;
}

std::string translation_text(uint64_t address, const vmstream::CpuRegisters& cpu,
                             const vmstream::AddressSpace& space,
                             const vmstream::Translation& found) {
  std::string text = fmt::format("virtual   {:#018x}, cpu {}, paging {}\n", address,
                                 cpu.instance_id, name_of(space.mode()));
  for (const auto& step : found.steps) {
    text += fmt::format("level {}   {:#018x} at physical {:#x}\n", step.level, step.entry,
                        step.address);
  }
  if (!found.physical) return text + fmt::format("not mapped: {}\n", found.why_not);
  text += fmt::format("physical  {:#018x}", *found.physical);
  if (found.page_bytes == 0) return text + "\n";
  return text + fmt::format(", in a page of {}{}{}{}\n", vmstream::format_size(found.page_bytes),
                            found.writable ? ", writable" : "", found.user ? ", user" : "",
                            found.executable ? ", executable" : "");
}

}  // namespace

ExitStatus show_memory(Session& session, const InspectOptions& options) {
  auto wanted = parse_wanted(options.arguments.front());
  if (!wanted) return session.fail("", wanted.error());
  if (options.raw && vmtools::is_terminal(STDOUT_FILENO) && !options.force) {
    return session.fail("", {Errc::Usage, "stdout is a terminal; --force writes to it"});
  }
  bool is_virtual = options.is_virtual || options.root;
  auto guest = open_addresses(session, options, is_virtual);
  if (!guest) return session.fail(shown_name(options), guest.error());
  auto read = (*guest)->reader();
  auto physical = read;
  if (is_virtual) {
    auto space = chosen_space(**guest, options);
    if (!space) return session.fail(shown_name(options), space.error());
    read = [space = *space, physical](uint64_t address, std::span<std::byte> into) {
      return space.read(address, into, physical);
    };
  }
  Status done = vmstream::ok();
  if (options.common.json) {
    done = print_bytes_json(**guest, *wanted, is_virtual, read);
  } else {
    done = read_pieces(*wanted, read, [&](uint64_t address, std::span<const std::byte> bytes) {
      print_bytes(options.raw, address, bytes);
    });
  }
  return done ? ExitStatus::Done : session.fail(shown_name(options), done.error());
}

ExitStatus translate(Session& session, const InspectOptions& options) {
  auto address = vmstream::parse_size(options.arguments.front());
  if (!address) return session.fail("", address.error());
  auto guest = open_addresses(session, options, true);
  if (!guest) return session.fail(shown_name(options), guest.error());
  auto space = chosen_space(**guest, options);
  if (!space) return session.fail(shown_name(options), space.error());
  auto found = space->translate(*address, (*guest)->reader());
  if (!found) return session.fail(shown_name(options), found.error());
  const auto& cpu = (*guest)->cpus.front();
  if (options.common.json) {
    auto json = opening_json("vmstream.translation/1", (*guest)->guest.devices.reading.subject);
    json.update(translation_json(*address, cpu, *space, *found));
    print_json(json);
  } else {
    print(translation_text(*address, cpu, *space, *found));
  }
  return ExitStatus::Done;
}

}  // namespace vminspect
