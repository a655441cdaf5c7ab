// SPDX-License-Identifier: MIT
#include "format/records/section_table.h"

#include <fmt/format.h>

#include <algorithm>

#include <vmstream/text.h>
#include "base/endian.h"
#include "format/records/records.h"
#include "format/wire.h"

namespace vmstream {
namespace {

constexpr uint32_t kMaxPlausibleVersion = 1u << 16;  // 10000 is the largest seen
constexpr uint32_t kEepromVersion = 20061112;        // but for this one: hw/nvram/eeprom93xx.c
constexpr uint16_t kFirstCommand = 1;
constexpr uint16_t kLastCommand = 11;

bool is_plausible_version(uint32_t version) {
  return version <= kMaxPlausibleVersion || version == kEepromVersion;
}

bool is_one_word(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f; });
}

NextRecord look_at_command(const Window& window) {
  if (window.bytes.size() < wire::kCommandHeaderBytes) return NextRecord::Unknown;
  auto command = load_be<uint16_t>(window.bytes.data() + 1);
  return command >= kFirstCommand && command <= kLastCommand ? NextRecord::Stream : NextRecord::No;
}

// An EOF byte alone says little; a description behind it says all.
NextRecord look_at_end(const Window& window) {
  constexpr size_t kEnough = 1 + wire::kVmdescHeaderBytes + 1;
  auto bytes = window.bytes;
  if (bytes.size() == 1) return window.last ? NextRecord::End : NextRecord::Unknown;
  if (bytes[1] != std::byte{static_cast<uint8_t>(SectionType::Vmdescription)}) {
    return NextRecord::BareEnd;
  }
  if (bytes.size() < kEnough) return window.last ? NextRecord::End : NextRecord::Unknown;
  return bytes[kEnough - 1] == std::byte{'{'} ? NextRecord::End : NextRecord::BareEnd;
}

}  // namespace

Result<SectionHeader*> SectionTable::open(const SectionHeader& header) {
  if (auto status = check_room(header); !status) return status.error();
  uint32_t id = header.section_id;
  highest_id_ = std::max(highest_id_, id);
  auto [place, added] = iterables_.try_emplace(id, header);
  if (added && !devices_.contains(id)) return &place->second;
  return malformed(header.offset, fmt::format("section id {} is started twice", id));
}

Status SectionTable::add_device(const SectionHeader& header) {
  if (auto status = check_room(header); !status) return status;
  devices_.insert(header.section_id);
  ++names_[{header.idstr, header.instance_id}];
  highest_id_ = std::max(highest_id_, header.section_id);
  return ok();
}

std::vector<const VmdescDevice*> SectionTable::find_missing(const Vmdesc& description) const {
  std::vector<const VmdescDevice*> missing;
  auto left = names_;
  for (const VmdescDevice& described : description.devices()) {
    auto found = left.find({described.idstr, described.instance_id});
    if (found == left.end() || found->second == 0) {
      missing.push_back(&described);
    } else {
      --found->second;
    }
  }
  return missing;
}

SectionHeader* SectionTable::find(uint32_t section_id) {
  auto found = iterables_.find(section_id);
  return found == iterables_.end() ? nullptr : &found->second;
}

Status SectionTable::check_room(const SectionHeader& header) const {
  if (!is_full()) return ok();
  return Error{Errc::Unsupported, fmt::format("more than {} sections, the limit", limits_.sections),
               header.offset};
}

size_t SectionTable::bare_end_bytes(const Window& window) const {
  constexpr size_t kIdEnd = 5;
  constexpr size_t kBytes = kIdEnd + wire::kRamWordBytes;
  if (window.bytes.size() < kBytes) return 0;
  auto section = iterables_.find(load_be<uint32_t>(window.bytes.data() + 1));
  bool is_ram = section != iterables_.end() && section->second.idstr == "ram";
  bool is_empty = load_be<uint64_t>(window.bytes.data() + kIdEnd) == wire::kRamEos;
  return is_ram && is_empty ? kBytes : 0;
}

NextRecord SectionTable::look(const Window& window) const {
  if (window.bytes.empty()) return window.last ? NextRecord::End : NextRecord::Unknown;
  switch (static_cast<SectionType>(window.bytes[0])) {
    case SectionType::Eof:
      return look_at_end(window);
    case SectionType::Command:
      return look_at_command(window);
    case SectionType::Start:
    case SectionType::Full:
      return look_at_head(window);
    case SectionType::Part:
    case SectionType::End:
      if (window.bytes.size() < 5) return NextRecord::Unknown;
      return iterables_.contains(load_be<uint32_t>(window.bytes.data() + 1)) ? NextRecord::Stream
                                                                             : NextRecord::No;
    default:
      return NextRecord::No;
  }
}

NextRecord SectionTable::look_at_head(const Window& window) const {
  ByteReader in(window.bytes.first(std::min(window.bytes.size(), wire::kMaxSectionHeaderBytes)));
  SectionHeader header = read_section_header(in);
  if (!in.ok()) return in.missing() > 0 ? NextRecord::Unknown : NextRecord::No;
  auto known = iterables_.find(header.section_id);
  bool again = known != iterables_.end() && header.type == SectionType::Start &&
               known->second.idstr == header.idstr;
  if (again) return NextRecord::Stream;
  if (known != iterables_.end() || devices_.contains(header.section_id) ||
      !is_plausible_version(header.version_id) || !is_one_word(header.idstr)) {
    return NextRecord::No;
  }
  return header.type == SectionType::Full ? NextRecord::Device : NextRecord::Stream;
}

}  // namespace vmstream
