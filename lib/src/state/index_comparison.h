// SPDX-License-Identifier: MIT
// An index held against the stream that it speaks of.
#pragma once

#include <string>
#include <vector>

#include <vmstream/state_index.h>
#include <vmstream/visitor.h>
#include "state/seekable_state.h"

namespace vmstream {

/// What `claimed`, the index that a file carries or has beside it, says otherwise than `scanned`,
/// which an IndexBuilder made while the whole stream was read. None where both agree; then what is
/// read by `claimed` is what a reading from front to end gives.
///
/// Compared is everything that the stream tells: lengths, digest, facts, RAM blocks, counts of
/// pages, the table of records, and the place of every page and delta. Of each table the first
/// entry that differs is named, of the page map the first page of each block, with both places.
/// What only the sender knew (passes by time, circumstances of the capture) is not compared, nor
/// are tables that the index left out. Of a stream that is not complete only the facts are.
std::vector<Problem> compare_index(const StateIndex& claimed, const StateIndex& scanned);

/// The same of the table that says where the pieces of the compressed file lie: `claimed` by its
/// trailer or index, `found` by going from piece to piece.
std::vector<Problem> compare_blocks(const BlockTable& claimed, const BlockTable& found);

/// Whether plain() reads, in their order, the pieces that a reader from front to end meets: true of
/// a file that is not packed, and where the pieces, found without a table, are those of the table.
/// Reads the heads of the pieces. Whoever hands out a guest by position asks this first.
bool has_sure_positions(const SeekableState& state);

/// Whether what is read of `state` by position is what a reading from front to end gave: by
/// compare_blocks() where the pieces can be found without a table, by their lengths where there is
/// no table, else (foreign gzip with resume points) by reading all of it by position, which an
/// empty digest saves.
std::vector<Problem> check_positions(const SeekableState& state, const StateFacts& scanned);

}  // namespace vmstream
