// SPDX-License-Identifier: MIT
// An index accounts for every page of every block: one that leaves pages out is found out by its
// own numbers, or has to lie in all of them.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <vmstream/state_index.h>

namespace vmstream {

/// Fills in IndexedBlock::account and StateFacts::page_map_sha256 from the page map, which is
/// there.
void account_for_pages(StateIndex& index);

/// Of the bytes of part "pages", then those of part "deltas", which may be empty.
std::string page_map_sha256(std::span<const std::byte> pages, std::span<const std::byte> deltas);

/// Whether map and facts tell of the same pages. Errc::Malformed where they do not. What the facts
/// do not say is not asked.
Status check_account(const StateFacts& facts, const PageMap& map, const std::string& sha256);

}  // namespace vmstream
