// SPDX-License-Identifier: MIT
#include "guest/capture/ram_layout.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "base/json.h"

namespace vmstream {
namespace {

constexpr std::string_view kHex = "0x";

std::optional<uint64_t> hex_number(std::string_view word) {
  if (!word.starts_with(kHex)) return std::nullopt;
  uint64_t value = 0;
  const char* end = word.data() + word.size();
  auto parsed = std::from_chars(word.data() + kHex.size(), end, value, 16);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return value;
}

// "pc.ram  4 KiB  0x0  0x2000000  0x2000000 ...": a name or none, the page size with its unit,
// offset, used length, and more.
std::optional<PlacedBlock> parse_line(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  auto number = std::find_if(words.begin(), words.end(),
                             [](const std::string& word) { return hex_number(word).has_value(); });
  auto before = number - words.begin();
  if (words.end() - number < 2 || before < 2) return std::nullopt;
  auto offset = hex_number(number[0]);
  auto used = hex_number(number[1]);
  if (!offset || !used) return std::nullopt;
  return PlacedBlock{before > 2 ? words.front() : "", *offset, *used};
}

}  // namespace

std::vector<PlacedBlock> parse_ram_blocks(std::string_view text) {
  std::vector<PlacedBlock> blocks;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) {
    if (auto block = parse_line(line)) blocks.push_back(std::move(*block));
  }
  return blocks;
}

std::optional<PlacedBlock> find_fatal_block(const std::vector<PlacedBlock>& blocks) {
  auto first = std::find_if(blocks.begin(), blocks.end(),
                            [](const PlacedBlock& block) { return block.offset == 0; });
  if (first == blocks.end()) return std::nullopt;
  auto fatal = std::find_if(blocks.begin(), blocks.end(), [first](const PlacedBlock& block) {
    return !block.name.empty() && block.used_bytes > first->used_bytes;
  });
  return fatal == blocks.end() ? std::nullopt : std::optional(*fatal);
}

std::vector<PlacedBlock> query_ram_blocks(QmpClient& qmp) {
  auto answer = qmp.execute("human-monitor-command", to_text({{"command-line", "info ramblock"}}));
  if (!answer) return {};
  Json text = Json::parse(*answer, nullptr, false);
  return text.is_string() ? parse_ram_blocks(text.get<std::string>()) : std::vector<PlacedBlock>();
}

}  // namespace vmstream
