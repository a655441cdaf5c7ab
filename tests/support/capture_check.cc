// SPDX-License-Identifier: MIT
#include "support/capture_check.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include <vmstream/indexing.h>
#include <vmstream/ram_image.h>

#include "state/index_tables.h"
#include "support/event_log.h"
#include "support/round_trip.h"
#include "support/zstd_file.h"

namespace testing {

using namespace vmstream;
using nlohmann::json;

namespace {

constexpr std::string_view kSuffix = ".qevm";
constexpr size_t kPiece = 256 * 1024;
constexpr size_t kSmall = 1 << 18;  // captures up to this size are also read in odd pieces

class SectionNames final : public StreamVisitor {
 public:
  std::set<std::string> names;

  Status on_section(const SectionHeader& header) override {
    names.insert(fmt::format("{} ({})", header.idstr, header.section_id));
    return ok();
  }
};

json load_json(const std::string& path) {
  auto text = load_file(path);
  if (!text) return json();
  auto* first = reinterpret_cast<const char*>(text->data());
  return json::parse(first, first + text->size(), nullptr, false);
}

uint32_t load_le32(std::span<const std::byte> bytes) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = (value << 8) | std::to_integer<uint32_t>(bytes[i]);
  return value;
}

uint32_t crc_of(std::span<const std::byte> bytes) {
  return static_cast<uint32_t>(
      ::crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

class Checker {
 public:
  Checker(const std::string& folder, const std::string& name)
      : truth_(folder + "/" + name + ".truth/"), meta_(load_json(truth_ + "meta.json")) {}

  std::vector<std::string> run(std::span<const std::byte> stream) {
    check_round_trip(stream);
    if (!faults_.empty()) return faults_;
    if (stream.size() <= kSmall) check_pieces(stream);
    check_sections(stream);
    check_ram(stream);
    return faults_;
  }

 private:
  template <typename... T>
  void fault(fmt::format_string<T...> format, T&&... values) {
    faults_.push_back(fmt::format(format, std::forward<T>(values)...));
  }

  void parse(std::span<const std::byte> stream, StreamVisitor& visitor) {
    auto status = parse_in_pieces(stream, kPiece, visitor);
    if (!status) fault("{}", describe(status.error()));
  }

  void check_round_trip(std::span<const std::byte> stream) {
    RoundTrip copy;
    parse(stream, copy);
    if (faults_.empty() && !std::ranges::equal(copy.bytes, stream)) {
      auto differs = std::ranges::mismatch(copy.bytes, stream).in2 - stream.begin();
      fault("written again it differs from offset {:#x} on", differs);
    }
  }

  void check_pieces(std::span<const std::byte> stream) {
    if (parse_all(stream, 997).log.lines != parse_all(stream).log.lines) {
      fault("the size of the pieces changes what is told");
    }
  }

  void check_sections(std::span<const std::byte> stream) {
    json state = load_json(truth_ + "analyze-state.json");
    if (!state.is_object()) return;
    SectionNames found;
    parse(stream, found);
    for (const auto& [key, value] : state.items()) {
      if (key != "configuration" && !found.names.erase(key)) fault("section '{}' is missing", key);
    }
    for (const auto& name : found.names) fault("section '{}' is not in the analysis", name);
  }

  // Whether all of the guest's memory at the moment of the truth is in the stream.
  bool has_whole_ram() const {
    if (!meta_.is_object()) return false;
    json capabilities = meta_.value("capabilities", json());
    return !capabilities.is_object() || !capabilities.value("multifd", false) ||
           capabilities.value("mapped-ram", false);
  }

  // By way of an index, written and read: it must lead to the last word on every page.
  void check_ram(std::span<const std::byte> stream) {
    json ram = load_json(truth_ + "ram.json");
    auto crcs = load_file(truth_ + "ram-page-crc32.bin");
    if (ram.is_object()) ram = ram.value("blocks", json());
    if (!crcs || !ram.is_array() || !has_whole_ram()) return;
    auto plain = make_random_memory(stream);
    auto image = open_image(stream, *plain);
    if (!image) return fault("{}", describe(image.error()));
    std::set<std::string> unstable;  // blocks that change although the guest stands still
    json reload = meta_.value("reload", json::object());
    if (reload.is_object() && reload.contains("ram_blocks_differing")) {
      for (const auto& block : reload["ram_blocks_differing"])
        unstable.insert(block.get<std::string>());
    }
    for (const auto& block : ram) {
      if (!block.value("migratable", true) ||
          unstable.contains(block["idstr"].get<std::string>())) {
        continue;
      }
      check_block(*image, block, *crcs);
    }
  }

  Result<RamImage> open_image(std::span<const std::byte> stream, RandomSource& plain) {
    IndexBuilder builder;
    parse(stream, builder);
    auto bytes = serialise(builder.finish(stream.size(), stream.size(), true));
    if (!bytes) return bytes.error();
    auto source = make_random_memory(*bytes);
    auto reader = IndexReader::open(*source);
    if (!reader) return reader.error();
    auto index = reader->read();
    if (!index) return index.error();
    return RamImage::make(plain, std::move(*index));
  }

  void check_block(RamImage& image, const json& block, std::span<const std::byte> crcs) {
    auto idstr = block["idstr"].get<std::string>();
    auto flat = image.find_block("");
    auto number = flat ? flat : image.find_block(idstr);
    if (!number) return fault("block '{}' is not in the index", idstr);
    // Shared memory that the sender left out.
    bool is_shared = image.blocks()[*number].block.guest_address.has_value();
    if (is_shared && image.map().runs(*number).empty()) return;
    uint64_t base = flat ? block["offset"].get<uint64_t>() : 0;
    auto page_bytes = block["target_page_size"].get<size_t>();
    auto pages = block["pages"].get<uint64_t>();
    auto first = block["crc32_first_page_index"].get<size_t>();
    std::vector<std::byte> memory(pages * page_bytes);
    auto read = image.read(*number, base / page_bytes, memory);
    if (!read) return fault("block '{}': {}", idstr, describe(read.error()));
    for (uint64_t page = 0; page < pages; ++page) {
      auto wanted = load_le32(crcs.subspan(4 * (first + page), 4));
      auto found = crc_of(std::span(memory).subspan(page * page_bytes, page_bytes));
      if (found == wanted) continue;
      fault("block '{}' page {:#x}: crc {:#x}, wanted {:#x}", idstr, page * page_bytes, found,
            wanted);
      return;
    }
  }

  std::string truth_;
  json meta_;
  std::vector<std::string> faults_;
};

// A file may hold bytes of its owner in front of the stream.
std::span<const std::byte> from_magic(std::span<const std::byte> file) {
  constexpr std::byte kMagic[] = {std::byte{'Q'}, std::byte{'E'}, std::byte{'V'}, std::byte{'M'}};
  auto found = std::search(file.begin(), file.end(), std::begin(kMagic), std::end(kMagic));
  return file.subspan(static_cast<size_t>(found - file.begin()));
}

}  // namespace

std::vector<std::string> check_capture(const std::string& folder, const std::string& name) {
  auto file = load_file(folder + "/" + name + std::string(kSuffix));
  if (!file) return {"it cannot be unpacked"};
  return Checker(folder, name).run(from_magic(*file));
}

std::vector<std::string> list_captures(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(folder, missing)) {
    std::filesystem::path file = entry.path().filename();
    if (file.extension() == ".zst") file = file.stem();
    if (file.extension() == kSuffix) names.push_back(file.stem().string());
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace testing
