// SPDX-License-Identifier: MIT
#include "guest/restore/restore_places.h"

#include <fmt/format.h>

#include <algorithm>

#include <vmstream/text.h>
#include "base/byte_reader.h"
#include "format/wire.h"

namespace vmstream {
namespace {

constexpr std::string_view kMemory = "ram";
constexpr std::string_view kDisks = "block";

struct SectionRule {
  std::string_view idstr;  // with '/' in front: the end of a name behind a device's path
  SectionPlace place;
};

// Iterable sections. The attributes of memory (htab, storage attributes) could go with it; they are
// small, and nothing in the memory needs them before the end.
constexpr SectionRule kIterables[] = {
    {kMemory, SectionPlace::Memory},
    {kDisks, SectionPlace::Disks},
    {"dirty-bitmap", SectionPlace::Aside},
    {"spapr/htab", SectionPlace::Aside},
    {"s390-storage_attributes", SectionPlace::Aside},
    {"pbs-state", SectionPlace::Aside},
    {"/vfio", SectionPlace::Aside},
};

// FULL sections. Where memory is plugged decides which of it there is to load.
constexpr SectionRule kDevices[] = {
    {"/virtio-mem-device-early", SectionPlace::EarlyDevice},
};

struct CommandRule {
  CommandType type;
  size_t payload_bytes;
  CommandPlace place;
};

constexpr size_t kAnyLength = SIZE_MAX;

// What is not listed, or has another length, no QEMU takes. An ADVISE without a payload speaks of
// dirty bitmaps only and changes nothing of a load.
constexpr CommandRule kCommands[] = {
    {CommandType::OpenReturnPath, 0, CommandPlace::Harmless},
    {CommandType::Ping, 4, CommandPlace::Harmless},
    {CommandType::SwitchoverStart, 0, CommandPlace::Harmless},
    {CommandType::PostcopyAdvise, 0, CommandPlace::Aside},
    {CommandType::PostcopyAdvise, 16, CommandPlace::Drop},
    {CommandType::PostcopyListen, 0, CommandPlace::Drop},
    {CommandType::PostcopyRun, 0, CommandPlace::Drop},
    {CommandType::PostcopyRamDiscard, kAnyLength, CommandPlace::Discard},
    {CommandType::Packaged, 4, CommandPlace::Package},
};

bool fits(const SectionRule& rule, std::string_view idstr) {
  return rule.idstr.starts_with('/') ? idstr.ends_with(rule.idstr) : idstr == rule.idstr;
}

}  // namespace

SectionPlace place_of_section(const SectionHeader& header) {
  bool full = header.type == SectionType::Full;
  auto rules = full ? std::span<const SectionRule>(kDevices) : std::span(kIterables);
  for (const SectionRule& rule : rules) {
    if (fits(rule, header.idstr)) return rule.place;
  }
  return SectionPlace::Device;
}

// QEMU takes a name for a C string.
bool is_plain_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](unsigned char c) { return c >= 0x20; });
}

// START and FULL are the same to QEMU; and before it is loaded every handler has the id 0, so that
// the first in its list gets the parts of that id. Old releases sent `block` under it.
Status check_section(const SectionHeader& header) {
  bool opens = header.type == SectionType::Start || header.type == SectionType::Full;
  if (!opens) return ok();
  std::string name = escape(header.idstr);
  if (!is_plain_name(header.idstr)) {
    return malformed(header.offset, fmt::format("a section is called '{}'", name));
  }
  bool whole = header.type == SectionType::Full;
  if (whole && (header.idstr == kMemory || header.idstr == kDisks)) {
    return malformed(header.offset, fmt::format("section '{}' comes whole, not in parts", name));
  }
  if (!whole && header.section_id == 0 && header.idstr != kDisks) {
    return malformed(header.offset,
                     fmt::format("section '{}' comes in parts under the id 0, which every device "
                                 "has before it is loaded",
                                 name));
  }
  return ok();
}

// Address, region size and block size (64 bits each), node (32), plugged size (64); then a bit for
// each block of the region, in words of 64.
bool is_early_device_body(std::span<const std::byte> body) {
  ByteReader in(body);
  in.be<uint64_t>("address");
  auto region_bytes = in.be<uint64_t>("region size");
  auto block_bytes = in.be<uint64_t>("block size");
  in.be<uint32_t>("node");
  in.be<uint64_t>("size");
  if (!in.ok() || block_bytes == 0) return false;
  uint64_t blocks = region_bytes / block_bytes;
  uint64_t words = blocks / 64 + (blocks % 64 != 0);
  uint64_t left = body.size() - in.offset();
  return left % 8 == 0 && left / 8 == words;
}

CommandPlace place_of_command(const Command& command) {
  for (const CommandRule& rule : kCommands) {
    bool fitting = rule.payload_bytes == kAnyLength || rule.payload_bytes == command.payload.size();
    if (rule.type == command.type && fitting) return rule.place;
  }
  return CommandPlace::Refuse;
}

}  // namespace vmstream
