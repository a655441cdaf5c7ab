// SPDX-License-Identifier: MIT
// Part "meta" of an index. Unknown members are ignored; missing ones leave their default.
#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "state/index_tables.h"

#include <vmstream/text.h>

namespace vmstream {
namespace {

constexpr const char* kKinds[] = {"zero", "fill", "data", "xbzrle", "compressed"};  // by PageKind
constexpr size_t kMostReasons = 100;
constexpr size_t kMostDisks = 1000;

// Names are bytes, JSON is text: one that cannot be shown as it is has its bytes beside.
void put_name(Json& object, const std::string& name) {
  object["name"] = escape(name);
  if (object["name"] == name) return;
  object["name_bytes"] = fmt::format("{:02x}", fmt::join(std::as_bytes(std::span(name)), ""));
}

std::string get_name(const Json& object) {
  std::string digits = text_member(object, "name_bytes");
  if (digits.empty()) return text_member(object, "name");
  auto value_of = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
  std::string name;
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    name += static_cast<char>(value_of(digits[i]) << 4 | (value_of(digits[i + 1]) & 15));
  }
  return name;
}

Json block_to_json(const IndexedBlock& indexed) {
  const RamBlock& block = indexed.block;
  Json json = {{"size", block.used_length}, {"offset", block.offset}};
  put_name(json, block.name);
  if (block.page_size) json["page_size"] = *block.page_size;
  if (block.guest_address) json["guest_address"] = *block.guest_address;
  if (block.mapped) {
    json["mapped"] = {{"page_size", block.mapped->page_size},
                      {"bitmap_offset", block.mapped->bitmap_offset},
                      {"pages_offset", block.mapped->pages_offset}};
  }
  for (size_t kind = 0; kind < std::size(kKinds); ++kind) {
    json["records"][kKinds[kind]] = indexed.records[kind];
  }
  if (indexed.account) {
    json["pages"] = {{"sent", indexed.account->sent}, {"absent", indexed.account->absent}};
  }
  return json;
}

IndexedBlock block_from_json(const Json& json) {
  IndexedBlock indexed;
  RamBlock& block = indexed.block;
  block.name = get_name(json);
  block.used_length = number_member(json, "size").value_or(0);
  block.offset = number_member(json, "offset").value_or(0);
  block.page_size = number_member(json, "page_size");
  block.guest_address = number_member(json, "guest_address");
  if (const Json* mapped = find_member(json, "mapped")) {
    block.mapped = MappedRam{.page_size = number_member(*mapped, "page_size").value_or(0),
                             .bitmap_offset = number_member(*mapped, "bitmap_offset").value_or(0),
                             .pages_offset = number_member(*mapped, "pages_offset").value_or(0)};
  }
  if (const Json* records = find_member(json, "records")) {
    for (size_t kind = 0; kind < std::size(kKinds); ++kind) {
      indexed.records[kind] = number_member(*records, kKinds[kind]).value_or(0);
    }
  }
  if (const Json* pages = find_member(json, "pages")) {
    indexed.account = PageAccount{.sent = number_member(*pages, "sent").value_or(0),
                                  .absent = number_member(*pages, "absent").value_or(0)};
  }
  return indexed;
}

// The members of CaptureCircumstances, for writer and reader.
struct CaptureMember {
  const char* key;
  std::string CaptureCircumstances::*value;
};
constexpr CaptureMember kCaptureMembers[] = {
    {"mode", &CaptureCircumstances::mode},
    {"time", &CaptureCircumstances::time},
    {"qemu_version", &CaptureCircumstances::qemu_version},
    {"run_state", &CaptureCircumstances::run_state},
    {"command_line", &CaptureCircumstances::command_line},
    {"vmstream_version", &CaptureCircumstances::vmstream_version},
};

struct DiskMember {
  const char* key;
  std::string SavedDisk::*value;
};
constexpr DiskMember kDiskMembers[] = {
    {"device", &SavedDisk::device},           {"base", &SavedDisk::base},
    {"base_format", &SavedDisk::base_format}, {"base_node", &SavedDisk::base_node},
    {"overlay", &SavedDisk::overlay},         {"overlay_node", &SavedDisk::overlay_node},
    {"argument", &SavedDisk::argument},       {"base_time", &SavedDisk::base_time},
};

Json disks_to_json(const std::vector<SavedDisk>& disks) {
  Json json = Json::array();
  for (const SavedDisk& disk : disks) {
    Json entry;
    for (const DiskMember& member : kDiskMembers) {
      const std::string& value = disk.*member.value;
      if (!value.empty()) entry[member.key] = value;
    }
    json.push_back(std::move(entry));
  }
  return json;
}

SavedDisk disk_from_json(const Json& json) {
  SavedDisk disk;
  for (const DiskMember& member : kDiskMembers) disk.*member.value = text_member(json, member.key);
  return disk;
}

Json passes_to_json(const std::vector<IndexedPass>& passes) {
  Json json = Json::array();
  for (const IndexedPass& pass : passes) {
    json.push_back({{"pages", pass.pages}, {"bytes", pass.bytes}, {"seconds", pass.seconds}});
  }
  return json;
}

double seconds_of(const Json& pass) {
  const Json* seconds = find_member(pass, "seconds");
  return seconds && seconds->is_number() ? seconds->get<double>() : 0;
}

// The elements of an array member, none where it is no array.
std::vector<Json> elements(const Json& object, const char* key, size_t most) {
  const Json* array = find_member(object, key);
  if (!array || !array->is_array()) return {};
  size_t count = std::min(array->size(), most);
  return {array->begin(), array->begin() + static_cast<std::ptrdiff_t>(count)};
}

uint32_t small_number(const Json& object, const char* key) {
  return static_cast<uint32_t>(
      std::min<uint64_t>(number_member(object, key).value_or(0), UINT32_MAX));
}

}  // namespace

Bytes write_facts(const StateFacts& facts) {
  Json json = {{"plain_bytes", facts.plain_bytes},
               {"stream_bytes", facts.stream_bytes},
               {"complete", facts.complete},
               {"stream_version", facts.stream_version},
               {"target_page_size", facts.target_page_size},
               {"ram_version", facts.ram_version},
               {"ram_bytes", facts.ram_bytes},
               {"page_record_bytes", facts.page_record_bytes},
               {"postcopy", facts.postcopy},
               {"problems", facts.problems},
               {"passes", passes_to_json(facts.passes)},
               {"left_out", facts.left_out}};
  if (!facts.sha256.empty()) json["sha256"] = facts.sha256;
  if (!facts.page_map_sha256.empty()) json["page_map_sha256"] = facts.page_map_sha256;
  if (!facts.machine.empty()) json["machine"] = escape(facts.machine);
  json["ram_blocks"] = Json::array();
  for (const IndexedBlock& block : facts.blocks) json["ram_blocks"].push_back(block_to_json(block));
  for (const CaptureMember& member : kCaptureMembers) {
    const std::string& value = facts.capture.*member.value;
    if (!value.empty()) json["capture"][member.key] = value;
  }
  if (!facts.capture.disks.empty()) json["capture"]["disks"] = disks_to_json(facts.capture.disks);
  std::string text = to_text(json);
  auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

Result<StateFacts> parse_facts(std::span<const std::byte> bytes) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  auto json = parse_object(text);
  if (!json) return Error{Errc::Malformed, "index: part 'meta' is no JSON object"};
  StateFacts facts;
  auto plain_bytes = number_member(*json, "plain_bytes");
  if (!plain_bytes) return Error{Errc::Malformed, "index: part 'meta' has no plain_bytes"};
  facts.plain_bytes = *plain_bytes;
  facts.stream_bytes = number_member(*json, "stream_bytes").value_or(*plain_bytes);
  facts.sha256 = text_member(*json, "sha256");
  facts.complete = true_member(*json, "complete");
  facts.stream_version = small_number(*json, "stream_version");
  facts.machine = text_member(*json, "machine");
  facts.target_page_size = small_number(*json, "target_page_size");
  facts.ram_version = small_number(*json, "ram_version");
  facts.ram_bytes = number_member(*json, "ram_bytes").value_or(0);
  facts.page_record_bytes = number_member(*json, "page_record_bytes").value_or(0);
  facts.page_map_sha256 = text_member(*json, "page_map_sha256");
  facts.postcopy = true_member(*json, "postcopy");
  facts.problems = number_member(*json, "problems").value_or(0);
  for (const Json& block : elements(*json, "ram_blocks", kMostIndexedBlocks)) {
    facts.blocks.push_back(block_from_json(block));
  }
  for (const Json& pass : elements(*json, "passes", kMostPasses)) {
    facts.passes.push_back({.pages = number_member(pass, "pages").value_or(0),
                            .bytes = number_member(pass, "bytes").value_or(0),
                            .seconds = seconds_of(pass)});
  }
  if (const Json* capture = find_member(*json, "capture")) {
    for (const CaptureMember& member : kCaptureMembers) {
      facts.capture.*member.value = text_member(*capture, member.key);
    }
    for (const Json& disk : elements(*capture, "disks", kMostDisks)) {
      facts.capture.disks.push_back(disk_from_json(disk));
    }
  }
  for (const Json& reason : elements(*json, "left_out", kMostReasons)) {
    if (reason.is_string()) facts.left_out.push_back(reason.get<std::string>());
  }
  return facts;
}

}  // namespace vmstream
