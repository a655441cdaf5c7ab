// SPDX-License-Identifier: MIT
// Whether tables that say where a compressed file can be read are those of the file.
#include <fmt/format.h>

#include <algorithm>

#include <vmstream/digest.h>
#include "codec/random_decoder.h"
#include "codec/trailer/trailer.h"
#include "state/index_comparison.h"
#include "state/index_tables.h"

namespace vmstream {
namespace {

std::string describe_piece(const BlockTable& table, size_t number) {
  if (number >= table.size()) return "nowhere";
  PackedBlock piece = table[number];
  return fmt::format("{:#x} with {} bytes for {}", piece.file_offset, piece.packed_length,
                     piece.plain_length);
}

// Where the file says that its pieces lie; empty where it says nothing.
Result<std::optional<BlockTable>> read_claim(const SeekableState& state, Coding coding) {
  auto trailer = read_trailer(coding, state.content());
  if (trailer && *trailer && (*trailer)->blocks) return std::move((*trailer)->blocks);
  if (!state.index) return std::optional<BlockTable>();
  return read_blocks(*state.index);
}

std::vector<Problem> compare_digests(RandomSource& plain, const std::string& sha256) {
  auto source = make_stretch_source(plain, 0, plain.length());
  Sha256 digest;
  for (;;) {
    auto piece = source->next();
    if (!piece) return {{piece.error().offset.value_or(0), piece.error().message}};
    if (piece->empty()) break;
    digest.update(*piece);
  }
  std::string found = digest.finish();
  if (found == sha256) return {};
  return {{0, fmt::format("index: read by its positions the stream has SHA-256 {}, wanted {}",
                          found, sha256)}};
}

std::vector<Problem> compare_digests_if_known(RandomSource& plain, const StateFacts& scanned) {
  return scanned.sha256.empty() ? std::vector<Problem>() : compare_digests(plain, scanned.sha256);
}

// Pieces that no table names are found by what they say of their lengths.
std::vector<Problem> compare_length(const BlockTable& found, const StateFacts& scanned) {
  if (!scanned.complete || found.plain_length() == scanned.plain_bytes) return {};
  return {{std::min(found.plain_length(), scanned.plain_bytes),
           fmt::format("the pieces of the file say that they hold {} bytes, the stream has {}",
                       found.plain_length(), scanned.plain_bytes)}};
}

// A reader by position holds each piece against the table's checksum, where there is one.
bool have_other_checks(const PackedBlock& claimed, const PackedBlock& found) {
  return claimed.check != 0 && found.check != 0 && claimed.check != found.check;
}

}  // namespace

std::vector<Problem> compare_blocks(const BlockTable& claimed, const BlockTable& found) {
  size_t count = std::max(claimed.size(), found.size());
  for (size_t number = 0; number < count; ++number) {
    std::string said = describe_piece(claimed, number);
    std::string is = describe_piece(found, number);
    uint64_t offset = number < found.size() ? found[number].plain_offset : found.plain_length();
    if (said != is) {
      return {{offset, fmt::format("index: piece {} of the file is at {}, wanted {} as in the file",
                                   number, said, is)}};
    }
    if (have_other_checks(claimed[number], found[number])) {
      return {
          {offset, fmt::format("index: the checksum of piece {} of the file is {:#010x}, wanted "
                               "{:#010x} as in the file",
                               number, claimed[number].check, found[number].check)}};
    }
  }
  return {};
}

bool has_sure_positions(const SeekableState& state) {
  if (!state.coding) return true;
  auto found = find_blocks(*state.coding, state.content());
  if (!found || !*found) return false;
  auto claimed = read_claim(state, *state.coding);
  return claimed && (!*claimed || compare_blocks(**claimed, **found).empty());
}

std::vector<Problem> check_positions(const SeekableState& state, const StateFacts& scanned) {
  if (!state.coding || !state.plain()) return {};
  auto found = find_blocks(*state.coding, state.content());
  if (!found || !*found || (*found)->empty()) {
    return compare_digests_if_known(*state.plain(), scanned);
  }
  auto claimed = read_claim(state, *state.coding);
  if (!claimed) return {{0, claimed.error().message}};
  if (!*claimed && !state.within.empty()) return compare_digests_if_known(*state.plain(), scanned);
  if (!*claimed) return compare_length(**found, scanned);
  return compare_blocks(**claimed, **found);
}

}  // namespace vmstream
