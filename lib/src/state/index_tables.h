// SPDX-License-Identifier: MIT
// The tables of an index as bytes; each writer stands above its reader. docs/state-file.md
// explains.
#pragma once

#include <vector>

#include <vmstream/state_index.h>
#include "codec/trailer/block_table.h"

namespace vmstream {

inline constexpr std::string_view kFactsPart = "meta";
inline constexpr std::string_view kMarkPart = "file";
inline constexpr std::string_view kBlocksPart = "blocks";
inline constexpr std::string_view kPointsPart = "points";
inline constexpr std::string_view kRecordsPart = "sections";
inline constexpr std::string_view kPagesPart = "pages";
inline constexpr std::string_view kDeltasPart = "deltas";
inline constexpr std::string_view kDomainPart = "domain";

/// Upper bounds for what the bytes of an index may make its reader keep.
inline constexpr uint64_t kMostPartBytes = 128u << 20;
inline constexpr size_t kMostRuns = 12u << 20;  // 288 MiB; 16 times what builders keep
inline constexpr size_t kMostIndexedRecords = 2u << 20;
inline constexpr size_t kMostIndexedBlocks = 1u << 16;

using Bytes = std::vector<std::byte>;

Bytes write_facts(const StateFacts& facts);
Result<StateFacts> parse_facts(std::span<const std::byte> bytes);

Bytes write_mark(const FileMark& mark);
Result<FileMark> parse_mark(std::span<const std::byte> bytes);

Bytes write_blocks(const BlockTable& table);
Result<BlockTable> parse_blocks(std::span<const std::byte> bytes);

Bytes write_records(const std::vector<IndexedRecord>& records);
Result<std::vector<IndexedRecord>> parse_records(std::span<const std::byte> bytes);

Bytes write_pages(const PageMap& map);
Bytes write_deltas(const PageMap& map);
/// From both parts; no deltas where the part is not there.
Result<PageMap> parse_pages(std::span<const std::byte> pages, std::span<const std::byte> deltas);

}  // namespace vmstream
